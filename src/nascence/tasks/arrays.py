"""Images and labels as arrays in an ``.npz`` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nascence.errors import DataError
from nascence.tasks.decoding import resize
from nascence.tasks.labelled import LabelledImages, RawData
from nascence.tasks.npz import load_arrays
from nascence.tasks.sources import Part, Request, three_parts

# (part, images, labels), each with the names it is known under
_NAMES: tuple[tuple[Part, str, str], ...] = (
    ("train", "x_train", "y_train"),
    ("valid", "x_val", "y_val"),
    ("test", "x_test", "y_test"),
    ("train", "train_images", "train_labels"),
    ("valid", "val_images", "val_labels"),
    ("test", "test_images", "test_labels"),
    ("train", "images", "labels"),
    ("train", "x", "y"),
)
# (axis, numbers of channels it may have), the likelier reading first
_CHANNELS = ((3, (1, 3)), (1, (1, 3)), (3, (4,)), (1, (4,)))


def read_npz(path: Path, request: Request) -> RawData:
    """``x_train, y_train[, x_test, y_test]``, or ``images, labels``, or ``x, y``.

    Images [N, H, W], [N, H, W, C] or [N, C, H, W], whole numbers in 0..255 (of type uint16: 0..65535) or floats in
    [0, 1]; labels [N] or [N, 1], whole numbers or texts. Pickled objects are never loaded. Raises :class:`DataError`.
    """
    wanted = {name for _, images, labels in _NAMES for name in (images, labels)}
    found, every = load_arrays(path, "images and labels", wanted)
    items: list[tuple[Part, LabelledImages]] = []
    for part, images, labels in _NAMES:
        if (images in found) != (labels in found):
            there, missing = (images, labels) if images in found else (labels, images)
            raise DataError(f"{path} has the array '{there}' but not '{missing}'.")
        if images in found:
            what = f"'{images}' in {path}"
            if found[images].dtype == np.uint16 and found[images].size and found[images].max() <= 255:
                request.remarks.append(
                    f"{what} is of 16 bits and read so, from 0 to 65,535, but has nothing above 255; if it is meant to"
                    " be of 8 bits, save it as such."
                )
            pixels, values = _pixels(found[images], what), _labels(found[labels], labels, path)
            if len(pixels) != len(values):
                raise DataError(
                    f"{path} has {len(pixels)} images in '{images}' but {len(values)} labels in '{labels}'."
                )
            items.append((part, LabelledImages(resize(pixels, request.image_size), values)))
    train, valid, test = three_parts(items)
    if not train:
        names = ", ".join(every) or "none"
        raise DataError(
            f"{path} needs the arrays 'x_train' and 'y_train' (or 'images' and 'labels'), but has: {names}."
        )
    parts = [_joined(part, path) if part else None for part in (test, valid)]
    return RawData(path.stem, _joined(train, path), parts[0], validation=parts[1])


def _pixels(array: np.ndarray, what: str) -> np.ndarray:
    """uint8 [N, H, W, C], C of 1 or 3."""
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4:
        axis = next((axis for axis, counts in _CHANNELS if array.shape[axis] in counts), 3)
        array = np.moveaxis(array, axis, 3)
    if array.ndim != 4 or array.shape[3] not in (1, 3, 4):
        raise DataError(f"{what} has the shape {list(array.shape)}; expected [N, H, W], [N, H, W, C] or [N, C, H, W].")
    if not array.size:
        raise DataError(f"{what} is empty.")
    if array.shape[3] == 4:
        array = array[..., :3]
    kind = array.dtype.kind
    low, high = (array.min(), array.max()) if kind in "fbiu" else (-1, -1)  # texts and records have none
    if kind == "f":
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise DataError(f"{what} has floats from {low:g} to {high:g}; expected 0 to 1.")
        array = np.rint(array * 255)
    elif array.dtype == np.uint16:
        array = np.rint(array / 257)
    elif kind == "b":
        array = array * np.uint8(255)
    elif kind not in "iu" or low < 0 or high > 255:
        raise DataError(f"{what} has values of type {array.dtype} outside 0 to 255; expected 8-bit images.")
    return np.ascontiguousarray(array.astype(np.uint8, copy=False))


def _labels(array: np.ndarray, name: str, path: Path) -> list[int | str]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"'{name}' in {path} has the shape {list(array.shape)}; expected one label per image.")
    if array.dtype.kind == "f" and np.all(np.isfinite(array)) and np.all(array == np.rint(array)):
        return [int(value) for value in array]
    if array.dtype.kind == "S":
        array = _decoded(array, name, path)
    if array.dtype.kind not in "iubU":
        raise DataError(
            f"'{name}' in {path} has missing labels or is of type {array.dtype}; expected whole numbers or text."
        )
    if array.dtype.kind != "U":
        return [int(value) for value in array]
    try:
        return [str(value).encode("utf-8", "backslashreplace").decode() for value in array]
    except ValueError:
        raise DataError(f"'{name}' in {path} holds labels that are not valid text.") from None


def _decoded(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"'{name}' in {path} holds labels that are not valid text.") from None


def _joined(parts: list[LabelledImages], path: Path) -> LabelledImages:
    if len({part.images.shape[1:] for part in parts}) > 1:
        raise DataError(f"The images of one part in {path} have different shapes.")
    return LabelledImages(np.concatenate([part.images for part in parts]), [y for part in parts for y in part.labels])
