"""One picture file as an array, in 8 or 16 bits."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nascence.tasks.decoding import read_picture
from nascence.tasks.picture import deep_share, is_deep, opened_picture, turn_of

if TYPE_CHECKING:
    from PIL import ImageFile

ALPHA = "transparency was dropped"
PALETTE = "a palette was turned into its colours"
DEEP = "read in 16 bits"
REDUCED = "16 bits a colour were read in 8, as this file format is"


def decode_picture(path: Path) -> tuple[NDArray, frozenset[str]]:
    """uint8 or uint16 [C, H, W] with C of 1 or 3, upright as its EXIF data says, and what was done to get there.

    A palette of greys gives a grey picture. Raises :class:`DataError`, with the file's name, when it is no picture or
    truncated, or the reason why it cannot be read.
    """
    from PIL import Image

    content = read_picture(str(path), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd but readable files; what it cannot read, it raises
        with opened_picture(str(path), content, load=False) as opened:
            pixels, notes = _pixels(opened, str(path), content)
            turn = turn_of(opened)
            if turn is not None:
                planes = [Image.fromarray(plane) for plane in pixels.transpose(2, 0, 1)]
                turned = [np.asarray(plane.transpose(Image.Transpose[turn])) for plane in planes]
                pixels = np.stack(turned, axis=2)
            return np.ascontiguousarray(pixels.transpose(2, 0, 1)), notes


def _pixels(image: ImageFile.ImageFile, name: str, content: bytes) -> tuple[NDArray, frozenset[str]]:
    """[H, W, C]. Ways: 16 bits of grey; 16 bits of colour; palettes; transparency; the rest by Pillow's own rules."""
    if is_deep(image):
        return np.rint(deep_share(name, image) * 65535).astype(np.uint16)[..., None], frozenset({DEEP})
    raw = image.tile[0].args if len(image.tile) == 1 and isinstance(image.tile[0].args, str) else ""
    if raw in ("RGB;16B", "RGBA;16B"):
        return _deep_colours(content, raw), frozenset({DEEP} | ({ALPHA} if raw.startswith("RGBA") else set()))
    notes = {REDUCED} if ";16" in raw else set()
    if image.mode == "P":
        notes.add(PALETTE)
        if "transparency" in image.info:
            notes.add(ALPHA)
        colours = np.asarray(image.convert("RGBA"))[..., :3]  # directly to RGB, Pillow warns about transparency
        grey = np.array_equal(colours[..., 0], colours[..., 1]) and np.array_equal(colours[..., 0], colours[..., 2])
        return colours[..., :1] if grey else colours, frozenset(notes)
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA"):
        notes.add(ALPHA)
    plain = image.convert("L" if image.mode in ("1", "L", "LA", "La") else "RGB")
    pixels = np.asarray(plain)
    return pixels.reshape(*pixels.shape[:2], -1), frozenset(notes)


def _deep_colours(content: bytes, raw: str) -> NDArray:
    """16 bits a colour of a PNG, which Pillow would cut to 8: its bytes are read once as the high ones, once as the low
    ones (a 16-bit number of the other byte order begins with them)."""
    from PIL import Image, ImageFile

    halves = []
    for order in (raw, raw[:-1] + "L"):
        with Image.open(io.BytesIO(content)) as image:
            assert isinstance(image, ImageFile.ImageFile)
            image.tile = [image.tile[0]._replace(args=order)]
            halves.append(np.asarray(image)[..., :3].astype(np.uint16))
    return halves[0] * 256 + halves[1]


__all__ = ["ALPHA", "DEEP", "PALETTE", "REDUCED", "decode_picture"]
