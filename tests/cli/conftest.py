from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for processes.py

import nascence
from nascence.cli import main
from nascence.methods import METHODS
from nascence.testing.toy_method import ToyMethod
from processes import Program


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, no data folder, the toy method, one thread, a package that subprocesses find."""
    source = str(Path(nascence.__file__).parents[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASCENCE_DATA", str(tmp_path / "no data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])))
    monkeypatch.delenv("NASCENCE_DEBUG", raising=False)
    monkeypatch.setitem(METHODS._entries, "toy", ToyMethod)


@pytest.fixture
def nascence_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command line in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def start_nascence(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Program]:
    """The command line as a process of its own, with the toy method."""
    folder = tmp_path_factory.mktemp("output")
    return lambda *arguments: Program(None, [str(argument) for argument in arguments], folder)
