"""What the documentation says runs as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

from nascence.cli.app import app
from nascence.configuration import describe
from nascence.declaring import spellings
from nascence.methods import METHODS
from nascence.scores import SCORES
from nascence.spaces import SPACES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
SOURCE = ROOT / "src" / "nascence"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A folder with what the page on writing a method says, where Python may be called; installed, as far as entry
    points go, and without the libraries of the development extra."""
    *parts, use, check = blocks("docs/writing-a-method.md", "python")
    (text,) = blocks("docs/writing-a-method.md", "toml")
    for name, content in {"mine.py": "\n".join(parts), "use.py": use, "test_mine.py": check}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['hypothesis'] = None\n")
    about = tomllib.loads(text)["project"]
    installed = tmp_path / f"{about['name']}-{about['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    groups = about["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items()) for group, names in groups
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT / "src"), str(tmp_path))))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def python(*arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return python


def test_the_page_on_writing_a_method_runs(mine: Callable[..., str], tmp_path: Path) -> None:
    """Its files search, score, train and export, and the conformance tests pass."""
    mine("use.py")
    for name in ("architecture.json", "metrics.json", "model.onnx"):
        assert (tmp_path / "runs/mine" / name).is_file()
    passed = re.search(
        r"(\d+) passed", mine("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    )
    assert passed
    assert int(passed[1]) > 20


def test_its_names_are_known_to_the_command_line(mine: Callable[..., str]) -> None:
    (line,) = [line for page, line in commands() if page == "writing-a-method.md"]
    assert json.loads(mine("-m", *shlex.split(line), "--json"))["method"] == "best-spread"
    assert "best-spread" in mine("-m", "nascence", "methods")


def test_the_entry_points_are_of_the_groups_that_are_searched() -> None:
    (text,) = blocks("docs/writing-a-method.md", "toml")
    groups = tomllib.loads(text)["project"]["entry-points"]
    assert set(groups) == {f"nascence.{registry.kind}s" for registry in (SPACES, SCORES, METHODS)}


def commands() -> list[tuple[str, str]]:
    """Every indented line of the documentation that begins with ``nascence``."""
    found = []
    for page in PAGES:
        lines = re.findall(r"^ {4}(?:\$ )?(nascence [^\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
        found += [(page.name, line) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_and_options_exist(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while getattr(command, "commands", None) and words and words[0] in command.commands:  # type: ignore[attr-defined]
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not getattr(command, "commands", None), f"{line} in {page} names no command"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    assert not unknown, f"{line} in {page}"
    for at, word in enumerate(words):
        if words[at - 1] == "--method" and "best-spread" not in line:
            assert word in METHODS.names()
        if words[at - 1] == "--space" and "widths" not in line:
            assert word in SPACES.names()
        if words[at - 1] == "--scores":
            assert set(word.split(",")) <= set(SCORES.names())
        if words[at - 1] == "--set" and "--method" in words and "best-spread" not in line:
            method = METHODS.get(words[words.index("--method") + 1])
            assert word.partition("=")[0] in spellings(method)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["docs/house.md", "docs/gradient.md", "docs/writing-a-method.md"])
def test_files_that_are_named_exist(page: str) -> None:
    """Every `file.py` in backticks is a file of the source, of a folder in it, or of the repository; capitals stand for
    a name to be chosen."""
    named = re.findall(r"`((?:[\w-]+/)*[a-z_]\w*\.py)`", (ROOT / page).read_text(encoding="utf-8"))
    named = [name for name in named if name not in ("mine.py", "use.py", "test_mine.py")]
    assert named
    for name in named:
        there = [ROOT / name, SOURCE / name, SOURCE.parent / name, *SOURCE.glob(f"*/{name}")]
        assert any(path.is_file() for path in there), name


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/methods/*.md")), ids=lambda page: page.name)
def test_cards_name_code_that_exists(page: Path) -> None:
    """In every row of "`file.py`: `name`, `Class.name`", the file has the names."""
    rows = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", page.read_text(encoding="utf-8"))
    assert rows
    for file, names in rows:
        text = (SOURCE / file).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", names):
            for part in name.split("."):
                assert re.search(rf"\b(?:def|class) {part}\b|^ +{part}: ", text, re.MULTILINE), (file, name)


@pytest.mark.parametrize("name", METHODS.names())
def test_every_setting_of_a_method_has_a_meaning(name: str) -> None:
    assert [entry["name"] for entry in describe(METHODS.get(name)) if not entry["doc"]] == []
