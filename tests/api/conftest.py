from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nascence
from nascence.methods import METHODS
from nascence.testing.toy_method import ToyMethod

SIZE = {"channels": 2, "depth": 1}


@pytest.fixture(autouse=True)
def toy_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._entries, "toy", ToyMethod)


@pytest.fixture(autouse=True)
def no_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASCENCE_DATA", str(tmp_path / "no data"))


@pytest.fixture
def search_toy(tmp_path: Path) -> Any:
    """``nascence.search`` with the toy method on digits, small, into ``tmp_path / name``."""

    def search(name: str = "run", **options: Any) -> nascence.SearchResult:
        return nascence.search("toy", out=tmp_path / name, progress=False, **{**SIZE, **options})

    return search


@pytest.fixture
def colours(tmp_path: Path) -> Any:
    """Writes 120 coloured images of a size and of three classes into an ``.npz``; gives its path."""

    def write(size: int, name: str = "colours.npz") -> Path:
        images = np.random.default_rng(0).integers(0, 256, (120, size, size, 3), dtype=np.uint8)
        np.savez(tmp_path / name, x=images, y=np.arange(120) % 3)
        return tmp_path / name

    return write
