"""How well a network tells images apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nascence.tasks import ImageClassification, ImageSet


@dataclass(frozen=True)
class Evaluation:
    """``accuracy`` in percent; ``loss``: mean cross-entropy in nats.

    ``confusion`` [K][K]: how many images of class (row) were called class (column). ``per_class_accuracy`` in percent,
    None for a class without images.
    """

    accuracy: float
    loss: float
    confusion: list[list[int]]
    per_class_accuracy: list[float | None]

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@torch.no_grad()
def evaluate(model: nn.Module, images: ImageSet, task: ImageClassification, batch_size: int = 256) -> Evaluation:
    """``model`` in evaluation mode (and back) on normalised, unaugmented ``images``, on the model's own device."""
    was_training = model.training
    model.eval()
    classes = task.num_classes
    device = model_device(model)
    loss, confusion = 0.0, torch.zeros(classes, classes, dtype=torch.int64)
    try:
        for x_BCHW, y_B in zip(images.images.split(batch_size), images.labels.split(batch_size), strict=True):
            logits_BK = model(task.normalise(x_BCHW).to(device)).float().cpu()
            loss += float(F.cross_entropy(logits_BK, y_B, reduction="sum"))
            pairs = y_B * classes + logits_BK.argmax(1)
            confusion += pairs.bincount(minlength=classes**2).view(classes, classes)
    finally:
        model.train(was_training)
    right, totals = confusion.diag().tolist(), confusion.sum(1).tolist()
    return Evaluation(
        accuracy=100 * sum(right) / len(images),
        loss=loss / len(images),
        confusion=confusion.tolist(),
        per_class_accuracy=[100 * r / n if n else None for r, n in zip(right, totals, strict=True)],
    )


def model_device(model: nn.Module) -> torch.device:
    """Where the parameters are; the CPU for a model without any."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
