"""A few training images of a run's data, as they are, kept in the run so that its report shows what a policy does."""

from __future__ import annotations

import base64

import torch

from nascence.runs import RunDirectory
from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Task
from nascence.tasks.image_classification import ImageClassification

FILE = "examples.json"
_COUNT, _SIDE = 3, 64


def keep_examples(run: RunDirectory, task: Task) -> None:
    """Write ``examples.json``: the first training image of each of the first classes, averaged down to at most 64
    pixels square, as ``shape`` [N, C, H, W] and bytes in base64. Other data than images in memory have none."""
    if run.has(FILE) or not isinstance(task, ImageClassification) or task.in_channels not in (1, 3):
        return
    class_of = task.train.labels
    firsts = [at.tolist()[0] for k in range(task.num_classes) if len(at := (class_of == k).nonzero()[:, 0])]
    images = task.train[torch.tensor(firsts[:_COUNT])].images
    small = shrink(images.float(), _SIDE).round().to(torch.uint8) if max(images.shape[2:]) > _SIDE else images
    pixels = base64.b64encode(small.contiguous().numpy().tobytes()).decode()
    run.write_json(FILE, {"shape": list(small.shape), "pixels": pixels})


__all__ = ["FILE", "keep_examples"]
