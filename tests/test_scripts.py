"""Scripts of benchmarks find what they share with each other."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.py")}


def defined(tree):
    """The names at the top of a script."""
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {
            each.id for target in targets if target is not None for each in ast.walk(target) if hasattr(each, "id")
        }
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_takes_from_another_is_there(name):
    for node in ast.walk(SCRIPTS[name]):
        if isinstance(node, ast.ImportFrom) and node.module in SCRIPTS:
            missing = {alias.name for alias in node.names} - defined(SCRIPTS[node.module])
            assert not missing, f"benchmarks/{node.module}.py has no {missing}"


def test_some_take_something():
    assert {"Rows", "measuring"} <= defined(SCRIPTS["rows"])
    assert {"Ended", "call"} <= defined(SCRIPTS["forked"])
