"""Parameters and FLOPs of a module: exact counts, no device in them."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from torch.utils.flop_counter import flop_registry

from nascence.costs.inputs import Inputs, counting_device, to_count
from nascence.costs.shapes import Shapes


def params(module: nn.Module) -> int:
    """The number of parameters (elements of all weights and biases; shared ones once; no running statistics)."""
    return sum(parameter.numel() for parameter in module.parameters())


def flops(module: nn.Module, inputs: Inputs) -> int:
    """FLOPs of the forward pass of one image or graph in evaluation mode; see :data:`nascence.costs.inputs.Inputs`.

    The rule: FLOPs = 2 x MACs of convolutions and matrix products (linear layers included). Biases, normalisation,
    activations, pooling and additions count nothing; a padded position counts like any other. The network is
    evaluated on a shape-only copy, so neither its state nor its mode is touched.
    """
    return count_flops(copy.deepcopy(module).to(counting_device(inputs)), inputs)


def count_flops(module: nn.Module, inputs: Inputs) -> int:
    """:func:`flops` of a module that lives on the device of counting already; leaves it in evaluation mode."""
    module.eval()
    with _Counter() as counter:
        module(*to_count(inputs))
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


__all__ = ["count_flops", "flops", "params"]
