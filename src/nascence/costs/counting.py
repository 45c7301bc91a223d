"""Parameters and FLOPs of a module: exact counts, no device in them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from nascence.costs.shapes import Shapes


def params(module: nn.Module) -> int:
    """The number of parameters (elements of all weights and biases; shared ones once; no running statistics)."""
    return sum(parameter.numel() for parameter in module.parameters())


def flops(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """FLOPs of one forward pass at batch 1 in evaluation mode; ``input_shape`` is without the batch: (C, H, W).

    The rule: FLOPs = 2 x MACs of convolutions and matrix products (linear layers included). Biases, normalisation,
    activations, pooling and additions count nothing; a padded position counts like any other. The network is
    evaluated on a shape-only copy, so neither its state nor its mode is touched.
    """
    return count_on_meta(copy.deepcopy(module).to("meta"), input_shape)


def count_on_meta(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """:func:`flops` of a module that lives on the ``meta`` device already; leaves it in evaluation mode."""
    module.eval()
    with _Counter() as counter:
        module(torch.empty(1, *input_shape, device="meta"))
    return counter.total


class _Counter(Shapes):
    """Adds up PyTorch's own formulas of all operators that have one."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_dispatch__(function, types, args, kwargs)
        formula = flop_registry.get(function.overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


__all__ = ["count_on_meta", "flops", "params"]
