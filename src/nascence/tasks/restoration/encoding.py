"""Pictures as PNG files, of 8 or 16 bits."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def encode_png(picture_CHW: NDArray) -> bytes:
    """The file of a picture uint8 or uint16 [C, H, W] with C of 1 or 3."""
    if picture_CHW.dtype == np.uint16:
        return _deep(picture_CHW)
    from PIL import Image

    pixels = picture_CHW[0] if len(picture_CHW) == 1 else np.ascontiguousarray(picture_CHW.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _deep(picture_CHW: NDArray) -> bytes:
    """16 bits, which Pillow writes in grey only: rows without a filter, most significant bytes first."""
    channels, height, width = picture_CHW.shape
    rows = np.zeros((height, 1 + 2 * channels * width), np.uint8)
    rows[:, 1:] = picture_CHW.transpose(1, 2, 0).astype(">u2").reshape(height, -1).view(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if channels == 1 else 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


__all__ = ["encode_png"]
