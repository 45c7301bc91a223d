"""Handwritten digits, 8 x 8 grey, 1,797 of them: part of scikit-learn, needs no file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nascence.tasks.decoding import resize
from nascence.tasks.labelled import LabelledImages, RawData
from nascence.tasks.sources import Request


def read_digits(request: Request) -> RawData:
    """Pixel values 0..16 are brought to 0..255."""
    table = _table()
    pixels = np.rint(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64).tolist()
    return RawData("digits", LabelledImages(resize(pixels, request.image_size), labels), flip=False)


def _table() -> NDArray[np.float64]:
    """64 pixels and the label of every image, from the library's file: to import all of it takes many times as long."""
    library = find_spec("sklearn")
    for place in (library.submodule_search_locations if library is not None else None) or ():
        path = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack((images, labels))
