"""Restoring a user's own pictures, with a page of what they were before and are after."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nascence.errors import DataError, RunError, SettingError
from nascence.tasks.folder import is_image_file
from nascence.tasks.listing import files_below
from nascence.tasks.restoration.decoding import decode_picture
from nascence.tasks.restoration.encoding import encode_png
from nascence.tasks.restoration.resizing import enlarge_picture
from nascence.tasks.restoration.restoring import receptive_radius, restore
from nascence.writing import write_bytes

PAGE = "report.html"
_SHOWN, _SIDE = 24, 192


def predict_pictures(
    model: nn.Module, channels: int, paths: Sequence[Path], out: Path, scale: int = 1, *, skip_damaged: bool = False
) -> dict[str, list[Any]]:
    """Restores every picture of ``paths`` (files, or folders of them) into the folder ``out``, as a PNG of the same
    name and as many bits, tile by tile, so that memory does not grow with the picture; ``report.html`` beside them
    shows the middle of the first pictures before and after.

    ``channels``: of the pictures that ``model`` takes; ``scale``: how many times as high and wide it makes them.
    Returns a value for every picture in the columns ``file``, ``restored``, ``width``, ``height``, ``seconds``, and
    ``note`` on how odd files were read. Nothing is overwritten: raises :class:`RunError` where a file is there,
    :class:`SettingError` for paths that are not, and :class:`DataError` for a file that is no picture or truncated, by
    name, before any is restored. With ``skip_damaged`` such a file has an empty ``restored``, and the reason as its
    note.
    """
    places = _places(paths, out)
    damaged = _damaged([source for source, _ in places], skip_damaged)
    margin = receptive_radius(model, channels, scale)
    rows: list[dict[str, Any]] = []
    shown: list[tuple[str, NDArray, NDArray]] = []
    for source, place in places:
        if source in damaged:
            left_out = {"restored": "", "width": 0, "height": 0, "seconds": 0.0, "note": f"left out: {damaged[source]}"}
            rows.append({"file": str(source), **left_out})
            continue
        picture, notes = decode_picture(source)
        began = time.perf_counter()
        restored = restore(model, picture, channels, scale, margin=margin)
        seconds = time.perf_counter() - began
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, encode_png(restored))
        rows.append(
            {
                "file": str(source),
                "restored": str(place),
                "width": restored.shape[-1],
                "height": restored.shape[-2],
                "seconds": round(seconds, 3),
                "note": "; ".join(sorted(notes)),
            }
        )
        if len(shown) < _SHOWN:
            shown.append((source.name, *_middles(picture, restored, scale)))
    write_bytes(out / PAGE, _page(shown, len(rows) - len(damaged)).encode(errors="backslashreplace"))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _damaged(sources: Sequence[Path], skip: bool) -> dict[Path, str]:
    """What cannot be read, and why. Raises :class:`DataError` for the first, or where nothing else is left."""
    found: dict[Path, str] = {}
    for source in sources:
        try:
            decode_picture(source)
        except DataError as error:
            if not skip:
                raise DataError(f"{error} Or leave such files out with --skip-damaged.") from None
            found[source] = str(error)
    if len(found) == len(sources):
        raise DataError(f"None of the {len(sources)} pictures can be read; {found[sources[0]]}")
    return found


def _places(paths: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Every picture, and where it goes."""
    found: dict[Path, Path] = {}
    for source in _files(paths):
        place = out / f"{source.stem}.png"
        if place in found:
            raise SettingError(f"{found[place]} and {source} would both become {place}; restore them into two folders.")
        found[place] = source
    for place in (*found, out / PAGE):
        if place.exists():
            raise RunError(f"{place} exists already; choose another --out.")
    return [(source, place) for place, source in found.items()]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    if not paths:
        raise SettingError("Name pictures, or folders of them, to restore.")
    for path in paths:
        if not path.exists():
            raise SettingError(f"There is nothing at {path}; name pictures, or folders of them, to restore.")
        if not path.is_dir():
            yield path
            continue
        below = sorted(filter(is_image_file, files_below(path)))
        if not below:
            raise DataError(f"{path} has no pictures in it.")
        yield from below


def _middles(before_CHW: NDArray, after_CHW: NDArray, scale: int) -> tuple[NDArray, NDArray]:
    """The same place of both, 8 bits, copied; the first enlarged to the size of the second."""
    height, width = before_CHW.shape[-2:]
    side = (min(_SIDE, height), min(_SIDE, width))
    y, x = (height - side[0]) // 2, (width - side[1]) // 2
    small = _shallow(before_CHW[:, y : y + side[0], x : x + side[1]])
    large = after_CHW[:, scale * y : scale * (y + side[0]), scale * x : scale * (x + side[1])]
    return (enlarge_picture(small, scale) if scale > 1 else small), _shallow(large)


def _shallow(picture_CHW: NDArray) -> NDArray:
    return (picture_CHW // 257).astype(np.uint8) if picture_CHW.dtype == np.uint16 else picture_CHW.copy()


def _page(shown: Sequence[tuple[str, NDArray, NDArray]], count: int) -> str:
    """Self-contained."""
    figures = "".join(
        f"<figure><figcaption>{html.escape(name)}</figcaption>{_image(before, 'before')}{_image(after, 'after')}"
        "</figure>"
        for name, before, after in shown
    )
    of = "" if count == len(shown) else f" of the first {len(shown)}"
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Restored pictures</title>"
        "<style>body{font-family:sans-serif;margin:2em;max-width:70em}figure{margin:0 0 2em}"
        "img{margin:.3em .6em 0 0;image-rendering:pixelated}</style>"
        f"<h1>{count} restored picture{'' if count == 1 else 's'}</h1>"
        f"<p>The middle{of}: before on the left, after on the right.</p>{figures}</html>"
    )


def _image(picture_CHW: NDArray, alternative: str) -> str:
    data = base64.b64encode(encode_png(picture_CHW)).decode()
    return f"<img alt='{alternative}' src='data:image/png;base64,{data}'>"


__all__ = ["PAGE", "predict_pictures"]
