from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import nascence
from nascence.runs import RunDirectory

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]  # for walk.py and processes.py


@pytest.fixture(autouse=True)
def subprocesses_find_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(Path(nascence.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", {"kind": "search", "seed": 0})
