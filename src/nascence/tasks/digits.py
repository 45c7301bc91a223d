"""Handwritten digits, 8 x 8 grey, 1,797 of them: part of scikit-learn, needs no file."""

from __future__ import annotations

import numpy as np

from nascence.tasks.assembling import LabelledImages, RawData
from nascence.tasks.decoding import resize
from nascence.tasks.sources import Request


def read_digits(request: Request) -> RawData:
    """Pixel values 0..16 are brought to 0..255."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    return RawData("digits", LabelledImages(resize(pixels, request.image_size), labels.tolist()), flip=False)
