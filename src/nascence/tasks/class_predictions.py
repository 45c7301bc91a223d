"""Classes of new images, with probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.tasks.decoding import decode_images
from nascence.tasks.folder import is_image_file
from nascence.tasks.listing import files_below
from nascence.tasks.predicting import Columns, Question

_LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in a grey image (ITU-R BT.601), as Pillow has it."""


def predict_classes(question: Question) -> Columns:
    """``file``, ``class``, ``probability`` of it, and ``probability of CLASS`` for every class.

    Images of another size are brought to the training images' (the shorter side, then the centre square); colours
    become grey where the network was trained on grey, grey becomes three equal channels where it was not. Raises
    :class:`DataError` for a file that is no image.
    """
    files = list(_files(question.some_paths("images, or folders of them,")))
    if not files:
        raise SettingError(f"There is no image in {', '.join(map(str, question.paths))}.")
    names = [str(name) for name in question.described["class_names"]]
    parts = [_probabilities(question, files[at : at + question.batch_size]) for at in _steps(files, question)]
    share_NK = torch.cat(parts)
    best = share_NK.argmax(1).tolist()
    return {
        "file": [str(file) for file in files],
        "class": [names[at] for at in best],
        "probability": share_NK.amax(1).tolist(),
        **{f"probability of {name}": column for name, column in zip(names, share_NK.T.tolist(), strict=True)},
    }


def _steps(files: Sequence[Path], question: Question) -> range:
    return range(0, len(files), question.batch_size)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named; of a folder, the images in it and below, by name and by the rule of all readers."""
    for path in paths:
        if path.is_dir():
            yield from sorted(filter(is_image_file, files_below(path)))
        else:
            yield path


@torch.no_grad()
def _probabilities(question: Question, files: Sequence[Path]) -> Tensor:
    """[B, K], float64."""
    described = question.described
    channels, height, width = described["input_shape"]
    mean, std = torch.tensor([described["mean"], described["std"]], dtype=torch.float64)[:, :, None, None]
    x_BCHW = torch.stack([_pixels(file, channels, height, width) for file in files])
    x_BCHW = x_BCHW.mul_((1 / (255 * std)).float()).sub_((mean / std).float())
    device = next((value.device for value in question.model.parameters()), torch.device("cpu"))
    return question.model(x_BCHW.to(device)).cpu().double().softmax(1)


def _pixels(file: Path, channels: int, height: int, width: int) -> Tensor:
    """float32 [C, H, W] in 0..255."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (pixels_HWC,) = decode_images([(str(file), file)], height if height == width else None)
    if pixels_HWC.shape[:2] != (height, width):
        raise DataError(
            f"{file} has {pixels_HWC.shape[1]} x {pixels_HWC.shape[0]} pixels, and the network was trained on "
            f"{width} x {height}; bring it to that size."
        )
    if channels == 1 and pixels_HWC.shape[2] == 3:
        pixels_HWC = np.rint(pixels_HWC @ np.array(_LUMA))[..., None]
    values = torch.from_numpy(np.ascontiguousarray(pixels_HWC)).float().permute(2, 0, 1)
    return values.expand(channels, -1, -1).clone()


__all__ = ["predict_classes"]
