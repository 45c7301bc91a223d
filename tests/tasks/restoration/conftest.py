"""Small pictures in files."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _random_picture(height, width, channels=1, seed=0, deep=False):
    top, kind = (65536, np.uint16) if deep else (256, np.uint8)
    return np.random.default_rng(seed).integers(0, top, (channels, height, width)).astype(kind)


def _save(path, picture_CHW):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture_CHW[0] if len(picture_CHW) == 1 else picture_CHW.transpose(1, 2, 0)
    Image.fromarray(pixels).save(path)
    return path


def _save_deep(path, picture_CHW):
    """A PNG of 16 bits a channel with 1 to 4 channels, which Pillow cannot write."""
    channels, height, width = picture_CHW.shape
    rows = picture_CHW.transpose(1, 2, 0).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )
    return path


@pytest.fixture
def folder(tmp_path):
    """Six grey pictures of three sizes."""
    for at, (height, width) in enumerate([(24, 24), (24, 32), (40, 24)] * 2):
        _save(tmp_path / "pictures" / f"{at}.png", _random_picture(height, width, seed=at))
    return tmp_path / "pictures"


@pytest.fixture
def random_picture():
    return _random_picture


@pytest.fixture
def save():
    return _save


@pytest.fixture
def save_deep():
    return _save_deep


@pytest.fixture
def restoration_data():
    for root in (os.environ.get("NASCENCE_DATA_FOR_TESTS"), Path(__file__).parents[4] / "shared" / "data"):
        if root and (Path(root) / "restoration" / "sr").is_dir():
            return Path(root) / "restoration"
    pytest.skip("the restoration pictures are not there")
