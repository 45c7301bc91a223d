"""Any damage to any file ends in a task or in one sentence, never in another error."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nascence.errors import DataError
from nascence.tasks import load_task

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


def damaged(content: bytes, seed: int) -> bytes:
    """Cut off somewhere, or with some bytes replaced."""
    draw = random.Random(seed)
    if seed % 3 == 0:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range((1, 4, 20)[seed % 7 % 3]):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def refusals(path: Path, file: Path, content: bytes, times: int) -> int:
    count = 0
    for seed in range(times):
        file.write_bytes(damaged(content, seed))
        try:
            load_task(str(path))
        except DataError as error:
            count += "\n" not in str(error)
    return count


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
def test_images(class_folders: Path, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS[0]).resize((6, 6)).save(file, kind)
    assert refusals(class_folders, class_folders / "cat" / "0.png", file.getvalue(), 60) > 5


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays(tmp_path: Path, save: object) -> None:
    file = tmp_path / "toy.npz"
    save(file, x=PIXELS, y=np.arange(12) % 2)  # type: ignore[operator]
    assert refusals(file, file, file.read_bytes(), 150) > 20


def test_parquet(tmp_path: Path, encode: object) -> None:
    file = tmp_path / "toy.parquet"
    pq.write_table(pa.table({"img": [encode()] * 12, "label": [0, 1] * 6}), file)  # type: ignore[operator]
    assert refusals(file, file, file.read_bytes(), 150) > 20
