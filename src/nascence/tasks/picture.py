"""One encoded picture, by Pillow, into pixels of 8 bits."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nascence.errors import DataError
from nascence.tasks.foreign import foreign

if TYPE_CHECKING:
    from PIL import Image, ImageFile

_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_PNG_WANTED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # where the orientation may stand


def decode_picture(name: str, content: bytes, image_size: int | None = None) -> np.ndarray:
    """uint8 [H, W, C] of an encoded picture; C is 1 for a grey one, else 3.

    Of several frames it is the first; palettes become colours, transparency is dropped, and a photograph is turned
    upright as its EXIF (without, its XMP) says. Deep pictures are scaled by the range of their file's type, never by
    their values: whole numbers of 12, 16 or 32 bits from 0 to the largest one, floats from 0 to 1. With ``image_size``
    the shorter side becomes that many pixels and the centre square is kept.

    Raises :class:`DataError` with the reason: no picture or a damaged one, too many pixels, values without a range.
    """
    with opened_picture(name, content) as opened:
        image = _plain(name, _upright(opened))
        if image_size is not None:
            image = _square(image, image_size)
        pixels = np.frombuffer(image.tobytes(), np.uint8)
        return pixels.reshape(image.height, image.width, -1)


@contextmanager
def opened_picture(name: str, content: bytes, *, load: bool = True) -> Iterator[ImageFile.ImageFile]:
    """An encoded picture, its pixels loaded or not.

    Raises :class:`DataError` with the reason why it cannot be opened, or why the work on it failed.
    """
    from PIL import Image, ImageFile

    try:
        with Image.open(io.BytesIO(_without_text(content))) as opened:
            assert isinstance(opened, ImageFile.ImageFile)
            _drop_odd_xmp(opened)
            if load:
                opened.load()
            yield opened
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        count = re.search(r"\((\d+) pixels", str(error))
        found = f"{int(count[1]):,} pixels" if count else "too many pixels"
        limit = f"the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} that one may have"
        raise DataError(f"{name} has {found}, more than {limit}; bring it to a smaller size.") from None
    except MemoryError:
        raise DataError(f"{name} needs more memory to be decoded than there is.") from None
    except Exception as error:  # noqa: BLE001 (a damaged picture makes its reader fail in any way there is)
        told = foreign(content)
        if told is not None:
            raise DataError(f"{name} {told}") from None
        reason = _reason(error)
        raise DataError(f"{name} is not an image or is damaged{reason}; replace or remove it.") from None


def _reason(error: Exception) -> str:
    """What Pillow says where that is worth repeating."""
    text = " ".join(str(error).split())
    if "too large" in text.lower() or "too much memory" in text.lower() or "not supported" in text.lower():
        return f" ({text[:150]})"
    return ""


def square(image: np.ndarray, image_size: int) -> np.ndarray:
    """uint8 [S, S, C] of a decoded picture [H, W, C], as :func:`decode_picture` does it."""
    from PIL import Image

    found = _square(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), image_size)
    return np.asarray(found).reshape(image_size, image_size, -1)


def _square(image: Image.Image, size: int) -> Image.Image:
    from PIL import Image, ImageOps

    return image if image.size == (size, size) else ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)


# Orientation ----------------------------------------------------------------------------------------------------------


def _upright(image: Image.Image) -> Image.Image:
    from PIL import Image

    turn = turn_of(image)
    return image if turn is None else image.transpose(Image.Transpose[turn])


def turn_of(image: Image.Image) -> str | None:
    """The name of the transposition (:class:`PIL.Image.Transpose`) that turns a loaded picture upright; None for one
    that is."""
    if image.format == "TIFF":  # Pillow turns these itself while it loads them
        return None
    return _TURNS.get(_orientation(image))


def _orientation(image: Image.Image) -> int:
    """1 to 8; only this field is looked at, and what cannot be understood is upright."""
    try:
        value: Any = image.getexif().get(_ORIENTATION)
        if isinstance(value, tuple | list):
            value = value[0]
        if isinstance(value, bytes):
            value = value[0] if len(value) == 1 else value.decode("ascii").strip("\0 ")
        return int(value) if float(value) == int(value) else 1
    except Exception:  # noqa: BLE001 (fields of other types and damaged ones fail in any way; the pixels are good)
        return 1


def _drop_odd_xmp(image: Image.Image) -> None:
    """Pillow looks for an orientation in what it holds to be text (PNG) or bytes (others)."""
    for key, kind in (("XML:com.adobe.xmp", str), ("xmp", bytes)):
        if not isinstance(image.info.get(key, kind()), kind):
            del image.info[key]


def _without_text(content: bytes) -> bytes:
    """A PNG without its texts and colour profiles, whose size Pillow limits and nobody here reads; anything else as it
    is."""
    if not content.startswith(_PNG):
        return content
    kept, at, dropped = [_PNG], len(_PNG), False
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            break
        if kind in _PNG_TEXT and not content.startswith(_PNG_WANTED, at + 8):
            dropped = True
        else:
            kept.append(content[at:end])
        at = end
    return b"".join([*kept, content[at:]]) if dropped else content


# Depth ----------------------------------------------------------------------------------------------------------------


def _plain(name: str, image: Image.Image) -> Image.Image:
    """Mode L or RGB, 8 bits a channel."""
    if image.mode in ("L", "RGB"):
        return image
    if is_deep(image):
        return _shallow(name, image)
    if image.mode in ("La", "RGBa"):  # colours that were multiplied by their transparency
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode in ("1", "LA"):
        return image.convert("L")
    if image.mode == "P":
        image = image.convert("RGBA")  # directly to RGB, Pillow warns about palettes with transparency
        red, green, blue, _ = image.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            return red
    try:
        return image.convert("RGB")
    except (ValueError, OSError):
        raise DataError(f"{name} has colours of the kind {image.mode}; save it as RGB or grey.") from None


def _shallow(name: str, image: Image.Image) -> Image.Image:
    """8-bit grey of a deep grey picture."""
    from PIL import Image

    return Image.fromarray(np.rint(deep_share(name, image) * 255).astype(np.uint8))


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def deep_share(name: str, image: Image.Image) -> np.ndarray:
    """float64 [H, W] from 0 to 1 of a deep grey picture, by the range of its file's type. Raises :class:`DataError`
    where values lie outside, or there is no range."""
    values = np.asarray(image)
    if image.mode == "F":
        if not np.isfinite(values).all():
            raise DataError(f"{name} holds floats that are no finite numbers; floats are read from 0 to 1.")
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise DataError(f"{name} holds floats from {low:g} to {high:g}; floats are read from 0 to 1.")
        share = values.astype(np.float64)
    else:
        largest, unsigned = _range(name, image)
        if unsigned and values.dtype == np.int32:
            values = values.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
        if values.min() < 0 or values.max() > largest:
            raise DataError(
                f"{name} holds whole numbers from {values.min()} to {values.max()}; its kind is read from 0 to "
                f"{largest:,}."
            )
        share = values / largest
    if _tag(image, _TIFF_PHOTOMETRIC) == 0:  # white is zero, which Pillow minds only up to 8 bits
        share = 1 - share
    return share


def _range(name: str, image: Image.Image) -> tuple[int, bool]:
    """The largest whole number of the file's type, and whether that has no negative ones."""
    bits, kind = _tag(image, _TIFF_BITS), _tag(image, _TIFF_SAMPLE_FORMAT)
    if image.format == "TIFF" and isinstance(bits, int) and 8 <= bits <= 32:
        return (2 ** (bits - 1) - 1, False) if kind == 2 else (2**bits - 1, True)
    if image.format == "FITS":
        raise DataError(f"{name} holds whole numbers without a defined range; save it as PNG or TIFF.")
    if image.mode.startswith("I;16") or image.format in ("PNG", "PPM", "JPEG2000"):
        return 2**16 - 1, True
    return 2**31 - 1, False


def _tag(image: Image.Image, number: int) -> Any:
    """A TIFF's field, the first value of several; None where there is none."""
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) and value else value


__all__ = ["decode_picture", "deep_share", "is_deep", "opened_picture", "square", "turn_of"]
