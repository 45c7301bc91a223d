"""What networks are called with when they are counted or measured: inputs of the right shapes, without any data."""

from __future__ import annotations

import torch
from torch import Tensor

from nascence.tasks.base import Signature

Inputs = Signature | tuple[int, ...]
"""A task's signature, or the shape of one input without the batch: (C, H, W)."""


def counting_device(inputs: Inputs) -> torch.device:
    """Where networks are counted: ``meta``, shapes alone; the CPU for graphs, since layers look at the edges."""
    return torch.device("cpu" if isinstance(inputs, Signature) and inputs.domain == "graph" else "meta")


def examples(inputs: Inputs, count: int = 1) -> tuple[Tensor, ...]:
    """Inputs of zeros: ``count`` images, or one graph."""
    return inputs.example(count) if isinstance(inputs, Signature) else (torch.zeros(count, *inputs),)


def to_count(inputs: Inputs) -> list[Tensor]:
    """One image or graph on :func:`counting_device`."""
    with counting_device(inputs):
        return list(examples(inputs))


def random_inputs(inputs: Inputs, count: int) -> tuple[Tensor, ...]:
    """As :func:`examples`, with values uniformly from [0, 1), the same ones each time; indices stay as they are."""
    random = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(value.shape, generator=random) if value.is_floating_point() else value
        for value in examples(inputs, count)
    )


__all__ = ["Inputs", "counting_device", "examples", "random_inputs", "to_count"]
