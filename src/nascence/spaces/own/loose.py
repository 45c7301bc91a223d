"""A parameter or a constant that stands in no layer, as a layer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn


@final
class LooseParameter(nn.Module):
    """Gives ``value``, of ``shape``. It starts normally distributed, with ``mean`` and ``std``."""

    def __init__(self, shape: Sequence[int], mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        self.shape, self.mean, self.std = tuple(shape), mean, std
        self.value = nn.Parameter(torch.empty(self.shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.value.normal_(self.mean, self.std)

    def forward(self) -> Tensor:
        return self.value


@final
class LooseConstant(nn.Module):
    """Gives ``value``, of ``shape``, which is not learned."""

    def __init__(self, shape: Sequence[int], dtype: str = "float32") -> None:
        super().__init__()
        self.shape, self.dtype = tuple(shape), dtype
        self.value: Tensor
        self.register_buffer("value", torch.zeros(self.shape, dtype=getattr(torch, dtype)))

    def forward(self) -> Tensor:
        return self.value


def loosened(value: Tensor) -> LooseParameter | LooseConstant:
    """A layer that gives ``value``."""
    layer: LooseParameter | LooseConstant
    if isinstance(value, nn.Parameter):
        spread = float(value.detach().std()) if value.numel() > 1 else 0.0
        layer = LooseParameter(value.shape, float(value.detach().mean()), spread)
    else:
        layer = LooseConstant(value.shape, str(value.dtype).removeprefix("torch."))
    with torch.no_grad():
        layer.value.copy_(value)
    return layer


__all__ = ["LooseConstant", "LooseParameter", "loosened"]
