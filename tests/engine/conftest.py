from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import nascence

sys.path.insert(0, str(Path(__file__).parents[1]))  # for processes.py


@pytest.fixture(autouse=True)
def subprocesses_find_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(Path(nascence.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])))
