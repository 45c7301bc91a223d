"""Encoded images of any kind, by Pillow, into one array."""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nascence.errors import DataError
from nascence.tasks.sizes import SeveralSizesError

if TYPE_CHECKING:
    from PIL import Image

_CHUNK = 64
_HEADERS = 500
_GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def decode_images(sources: Sequence[tuple[str, bytes | Path]], image_size: int | None = None) -> np.ndarray:
    """uint8 [N, H, W, C] of N named sources, each encoded bytes or a file; C is 1 if all are grey, else 3.

    Palettes become colours, transparency is dropped, 16 bits become 8, and a photograph is turned upright as its EXIF
    data says. With ``image_size`` the shorter side becomes that many pixels and the centre square is kept. Raises
    :class:`DataError` for a source that is no image or truncated, when sizes differ, or when memory cannot hold them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd but readable files; what it cannot read, it raises
        return _decode_all(sources, image_size)


def _decode_all(sources: Sequence[tuple[str, bytes | Path]], image_size: int | None) -> np.ndarray:
    if image_size is None:
        _compare_headers(sources)
    else:
        _check_memory(len(sources) * image_size**2 * 3, len(sources))
    first = _decode(*sources[0], image_size)
    height, width, _ = first.shape
    _check_memory(len(sources) * height * width * 3, len(sources))
    decoded = np.empty((len(sources), height, width, 3), np.uint8)

    def work(start: int) -> tuple[bool, Counter[tuple[int, int]]]:
        grey, sizes = True, Counter[tuple[int, int]]()
        for at in range(start, min(start + _CHUNK, len(sources))):
            pixels = _decode(*sources[at], image_size)
            sizes[pixels.shape[0], pixels.shape[1]] += 1
            grey = grey and pixels.shape[2] == 1
            if pixels.shape[:2] == (height, width):
                decoded[at] = pixels
        return grey, sizes

    # Python's own part of the work is most of it for small images, where more threads only get into each other's way.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1) if height * width > 128 * 128 else 1) as threads:
        results = list(threads.map(work, range(0, len(sources), _CHUNK)))
    sizes = sum((found for _, found in results), Counter[tuple[int, int]]())
    if len(sizes) > 1:
        raise SeveralSizesError(sizes)
    return np.ascontiguousarray(decoded[..., :1]) if all(grey for grey, _ in results) else decoded


def _compare_headers(sources: Sequence[tuple[str, bytes | Path]]) -> None:
    """Look at the headers of some images, evenly spaced, so that sizes that differ are told before all are decoded."""
    seen = Counter[tuple[int, int]]()
    for _, source in sources[:: -(-len(sources) // _HEADERS)]:
        size = header_size(source)
        if size is not None:
            seen[size[1], size[0]] += 1
    if len({frozenset(size) for size in seen}) > 1:  # a photograph may lie on its side
        raise SeveralSizesError(seen)


def resize(images: np.ndarray, image_size: int | None) -> np.ndarray:
    """Decoded images [N, H, W, C] brought to a square as :func:`decode_images` does; None leaves them."""
    from PIL import Image

    if image_size is None or images.shape[1:3] == (image_size, image_size):
        return images
    _check_memory(len(images) * image_size**2 * images.shape[3], len(images))
    squares = [
        _square(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), image_size) for image in images
    ]
    return np.stack([np.asarray(square).reshape(image_size, image_size, -1) for square in squares])


def header_size(source: Path | bytes) -> tuple[int, int] | None:
    """(width, height) of an encoded image from its header, upright or not; None when it cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _square(image: Image.Image, size: int) -> Image.Image:
    from PIL import Image, ImageOps

    return image if image.size == (size, size) else ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)


def _check_memory(needed: int, count: int) -> None:
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system can say
        return
    if needed > memory / 2:
        raise DataError(
            f"{count} images of this size need {needed / 1e9:.1f} GB decoded, more than half of this machine's memory; "
            "bring them to a smaller size with --image-size N."
        )


def _decode(name: str, source: bytes | Path, image_size: int | None) -> np.ndarray:
    """uint8 [H, W, C] with C of 1 or 3."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            image: Image.Image = opened
            if "exif" in image.info:
                image = ImageOps.exif_transpose(image)
            image = _plain(image)
            if image_size is not None:
                image = _square(image, image_size)
            pixels = np.frombuffer(image.tobytes(), np.uint8)
            return pixels.reshape(image.height, image.width, -1)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else "is not an image or is damaged"
        raise DataError(f"{name} {reason}; replace or remove it.") from None


def _plain(image: Image.Image) -> Image.Image:
    """Mode L or RGB, 8 bits a channel."""
    from PIL import Image

    if image.mode in ("L", "RGB"):
        image.load()
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.float64)
        deep = image.mode.startswith("I") and values.max(initial=0) > 255  # 16-bit pictures are also read as mode I
        return Image.fromarray(np.clip(np.rint(values / 257 if deep else values), 0, 255).astype(np.uint8))
    if image.mode in _GREY_MODES:
        return image.convert("L")
    if image.mode == "P":
        image = image.convert("RGBA")  # directly to RGB, Pillow warns about palettes with transparency
        red, green, blue, _ = image.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            return red
    return image.convert("RGB")
