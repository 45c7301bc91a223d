"""Encoded images of any kind into one array: in memory, or, where they are many or large, in the store on disk."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nascence.errors import DataError
from nascence.tasks.picture import decode_picture, square
from nascence.tasks.sizes import SeveralSizesError
from nascence.tasks.store import CHUNK, Coloured, Store, StoreUnusableError

Source = tuple[str, bytes | Path]
"""A name for messages, and the encoded bytes or their file."""
Told = Callable[[int, int], None]
"""Told how many images are read, of how many."""

STORED_FROM = 5_000
"""So many images are kept in the store,"""
STORED_SHARE = 1 / 8
"""and fewer that take more than this share of the memory."""
_LARGEST_FILE = 2**31
_HEADERS = 500
_LARGE = 2**16
"""Bytes of an encoded image from which on several are decoded at once."""


def decode_images(
    sources: Sequence[Source],
    image_size: int | None = None,
    *,
    keep: str | None = None,
    told: Told | None = None,
) -> np.ndarray:
    """uint8 [N, H, W, C] of N sources; C is 1 if all are grey, else 3. Each as :func:`decode_picture` does it.

    ``keep``: what these sources are, for the store: many or large images are decoded once, into a file that the array
    is a view of (:class:`numpy.memmap`), and only those that changed are decoded again. Raises :class:`DataError` for
    what is no picture or cannot be read, when sizes differ, or when memory cannot hold them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd but readable files; what it cannot read, it raises
        if image_size is None:
            _compare_headers(sources)
        elif keep is None:
            _check_memory(len(sources) * image_size**2 * 3, len(sources))
        first = _decode(sources[0], image_size)
        height, width, channels = first.shape
        needed = len(sources) * height * width * 3
        large = height * width > 128 * 128 or _encoded_size(sources[0]) > _LARGE
        if keep is not None and (len(sources) >= STORED_FROM or needed > STORED_SHARE * memory_limit()):
            try:
                return _stored(sources, image_size, (height, width, channels), large, f"{keep} {image_size}", told)
            except StoreUnusableError as problem:
                _check_memory(needed, len(sources), f", and they cannot be kept on disk ({problem})")
        _check_memory(needed, len(sources))
        return _in_memory(sources, image_size, height, width, large, told)


def resize(images: np.ndarray, image_size: int | None) -> np.ndarray:
    """Decoded images [N, H, W, C] brought to a square as :func:`decode_images` does; None leaves them."""
    if image_size is None or images.shape[1:3] == (image_size, image_size):
        return images
    _check_memory(len(images) * image_size**2 * images.shape[3], len(images))
    return np.stack([square(image, image_size) for image in images])


def _compare_headers(sources: Sequence[Source]) -> None:
    """Look at the headers of some images, evenly spaced, so that sizes that differ are told before all are decoded."""
    seen = Counter[tuple[int, int]]()
    for at in range(0, len(sources), -(-len(sources) // _HEADERS)):
        size = header_size(sources[at][1])
        if size is not None:
            seen[size[1], size[0]] += 1
    if len({frozenset(size) for size in seen}) > 1:  # a photograph may lie on its side
        raise SeveralSizesError(seen)


def header_size(source: Path | bytes) -> tuple[int, int] | None:
    """(width, height) of an encoded image from its header, upright or not; None when it cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                return image.size
    except Exception:  # noqa: BLE001 (a damaged picture makes its reader fail in any way there is)
        return None


def memory_limit() -> float:
    """Bytes that this process may have: of the machine, of its container, of its own limit; infinite if unknown."""
    limits = [float("inf")]
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system can say
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):  # another kind of system, or no limit
            continue
    return min(limits)


def _in_memory(
    sources: Sequence[Source], image_size: int | None, height: int, width: int, large: bool, told: Told | None
) -> np.ndarray:
    decoded = np.empty((len(sources), height, width, 3), np.uint8)
    chunk = 1 if large else CHUNK
    done = 0

    def work(start: int) -> tuple[bool, Counter[tuple[int, int]]]:
        grey, sizes = True, Counter[tuple[int, int]]()
        for at in range(start, min(start + chunk, len(sources))):
            pixels = _decode(sources[at], image_size)
            sizes[pixels.shape[0], pixels.shape[1]] += 1
            grey = grey and pixels.shape[2] == 1
            if pixels.shape[:2] == (height, width):
                decoded[at] = pixels
        return grey, sizes

    grey, sizes = True, Counter[tuple[int, int]]()
    with _threads(large) as threads:
        for chunk_grey, chunk_sizes in threads.map(work, range(0, len(sources), chunk)):
            grey, sizes = grey and chunk_grey, sizes + chunk_sizes
            done = min(done + chunk, len(sources))
            if told is not None:
                told(done, len(sources))
    if len(sizes) > 1:
        raise SeveralSizesError(sizes)
    return np.ascontiguousarray(decoded[..., :1]) if grey else decoded


def _stored(
    sources: Sequence[Source],
    image_size: int | None,
    shape: tuple[int, int, int],
    large: bool,
    key: str,
    told: Told | None,
) -> np.ndarray:
    """As :func:`_in_memory`, a view of a file."""
    height, width, channels = shape
    store = Store.of(key, len(sources), (height, width))

    def contents(at: int) -> list[bytes]:
        return [read_picture(*source) for source in sources[at * CHUNK : (at + 1) * CHUNK]]

    def decode(at: int, found: list[bytes]) -> list[np.ndarray]:
        names = [name for name, _ in sources[at * CHUNK : (at + 1) * CHUNK]]
        apply = threads.map if large else map
        pictures = list(apply(decode_picture, names, found, [image_size] * len(names)))
        sizes = Counter([(height, width), *((picture.shape[0], picture.shape[1]) for picture in pictures)])
        if len(sizes) > 1:
            raise SeveralSizesError(sizes)
        return pictures

    with _threads(large) as threads:
        try:
            return store.fill(channels, contents, decode, told)
        except Coloured:  # among grey ones
            return store.fill(3, contents, decode, told)


def _threads(large: bool) -> ThreadPoolExecutor:
    """Python's own part of the work is most of it for small images, where more threads only get into each other's
    way."""
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1) if large else 1)


def _encoded_size(source: Source) -> int:
    return len(source[1]) if isinstance(source[1], bytes) else source[1].stat().st_size


def _decode(source: Source, image_size: int | None) -> np.ndarray:
    return decode_picture(source[0], read_picture(*source), image_size)


def read_picture(name: str, source: bytes | Path) -> bytes:
    """The encoded bytes. Raises :class:`DataError` with the reason."""
    if isinstance(source, bytes):
        return source
    try:
        mode = source.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would wait for who writes into it
            raise DataError(f"{name} is a pipe, a socket or a device; expected a file.")
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST_FILE:
                raise DataError(f"{name} has {size / 1e9:.1f} GB, more than one picture may have; make it smaller.")
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{name} is missing; replace or remove it.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror or error}).") from None


def _check_memory(needed: int, count: int, why: str = "") -> None:
    if needed > memory_limit() / 2:
        raise DataError(
            f"{count} images of this size need {needed / 1e9:.1f} GB decoded, more than half of this machine's memory"
            f"{why}; bring them to a smaller size with --image-size N."
        )


__all__ = ["STORED_FROM", "Source", "Told", "decode_images", "header_size", "memory_limit", "read_picture", "resize"]
