"""What the documentation says runs as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from nascence.cli.app import app
from nascence.configuration import describe
from nascence.methods import METHODS
from nascence.scores import SCORES
from nascence.spaces import SPACES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
SOURCE = ROOT / "src" / "nascence"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_on_writing_a_method_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks as one file: they search, score, train and export, and their conformance tests pass."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "test_mine.py").write_text("\n".join(blocks("docs/writing-a-method.md", "python")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 20
    for name in ("architecture.json", "metrics.json", "model.onnx"):
        assert (tmp_path / "runs/mine" / name).is_file()


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
            assert word.partition("=")[0] in {entry["name"] for entry in describe(method)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


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
