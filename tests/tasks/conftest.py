from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


def encoded(value: int = 100, size: tuple[int, int] = (6, 6), mode: str = "RGB", kind: str = "PNG") -> bytes:
    """An encoded image with one value everywhere but in the upper left pixel."""
    image = Image.new("L", size, value)
    image.putpixel((0, 0), 0)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def encode() -> Encode:
    return encoded


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache or data."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if "NASCENCE_DATA" in os.environ:
        monkeypatch.setenv("NASCENCE_DATA_FOR_TESTS", os.environ["NASCENCE_DATA"])
        monkeypatch.delenv("NASCENCE_DATA")


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Two classes of ten grey 6 x 6 images each: dark cats, bright dogs."""
    root = tmp_path / "pets"
    for name, base in (("cat", 20), ("dog", 200)):
        (root / name).mkdir(parents=True)
        for at in range(10):
            (root / name / f"{at}.png").write_bytes(encoded(base + at, mode="L"))
    return root


@pytest.fixture
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [20, 5, 4, 3] and labels [20] of two classes."""
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 4, 3), dtype=np.uint8)
    return images, np.arange(20) % 2
