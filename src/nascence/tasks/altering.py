"""Batches in another form than their task gives them: smaller, or without what a search is said not to need."""

from __future__ import annotations

from dataclasses import replace

import torch

from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Batch, Signature


def averaged_down(batch: Batch, signature: Signature, size: int | None) -> Batch:
    """Images with a class each, where they are larger than ``size``, averaged down to it; pictures and graphs, and all
    for None, stay as they are."""
    if not signature.classes:
        return batch
    first, *others = batch.inputs
    return replace(batch, inputs=(shrink(first, size), *others))


def without_data(batch: Batch, random: torch.Generator) -> Batch:
    """Standard normal noise in the place of images, pictures or features."""
    first, *others = batch.inputs
    return replace(batch, inputs=(torch.randn(first.shape, generator=random), *others))


def without_targets(batch: Batch, signature: Signature, random: torch.Generator) -> Batch:
    """Random classes, all with the same chance, in the place of the true ones."""
    return replace(batch, target=torch.randint(signature.outputs, batch.target.shape, generator=random))


__all__ = ["averaged_down", "without_data", "without_targets"]
