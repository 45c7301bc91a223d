"""Mixed parts: what a supernet outside of cells is put together from.

Each part belongs to one row of one choice group and reads that row's mixing weights [O], which
:class:`MixedSupernet` hands out before a forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nascence.supernets.base import Supernet
from nascence.supernets.groups import ChoiceGroup, MixingWeights


class MixedPart(nn.Module):
    """A module whose output depends on the weights of row ``row`` of the choice group ``group``.

    ``sparse``: options of weight zero do not run, whether or not their weight needs a gradient.
    """

    def __init__(self, group: str, row: int) -> None:
        super().__init__()
        self.group, self.row = group, row
        self.weights: Tensor | None = None
        self.sparse = False

    def terms(self) -> Iterable[tuple[int, Tensor]]:
        """(option, weight) of the options that take part; never none of them."""
        assert self.weights is not None, "a supernet is called with mixing weights"
        weights = self.weights
        skips = self.sparse or not weights.requires_grad
        chosen = [(at, weights[at]) for at in range(len(weights)) if not skips or bool(weights[at] != 0)]
        return chosen or [(0, weights[0])]


@final
class MixedOperation(MixedPart):
    """sum_o w_o op_o(inputs)."""

    def __init__(self, group: str, row: int, candidates: Iterable[nn.Module]) -> None:
        super().__init__(group, row)
        self.candidates = nn.ModuleList(candidates)

    def forward(self, *inputs: Any) -> Tensor:
        parts = [_weighted(weight, self.candidates[at](*inputs)) for at, weight in self.terms()]
        return sum(parts[1:], parts[0])


@final
class MixedSum(MixedPart):
    """sum_o w_o x_o of states x_o of one shape: which input, which exit."""

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        parts = [_weighted(weight, states[at]) for at, weight in self.terms()]
        return sum(parts[1:], parts[0])


@final
class MaskedWidth(MixedPart):
    """x times sum_o w_o 1[channel < width_o]: all widths at the memory of one (Wan et al., FBNetV2, CVPR 2020, eq. 4).

    ``widths``: of the options, in channels; the input [B, C, ...] has C = max(widths) of them.
    """

    def __init__(self, group: str, row: int, widths: Sequence[int]) -> None:
        super().__init__(group, row)
        self.widths = tuple(widths)
        steps = torch.arange(max(widths)) < torch.tensor(self.widths)[:, None]
        self.register_buffer("steps_OC", steps.float(), persistent=False)

    def mask(self) -> Tensor:
        """[C]."""
        assert self.weights is not None
        steps_OC = self.steps_OC
        assert isinstance(steps_OC, Tensor)
        return self.weights @ steps_OC.to(self.weights.dtype)

    def forward(self, x_BC: Tensor) -> Tensor:
        return x_BC * self.mask().to(x_BC.dtype).view(1, -1, *[1] * (x_BC.dim() - 2))


@final
class MixedResolution(MixedPart):
    """sum_o w_o f(x shrunk to size_o), features enlarged to the largest size (nearest pixel) before they are added.

    A network under one-hot weights runs at that one size only. ``body``: what runs at every size.
    """

    def __init__(self, group: str, row: int, sizes: Sequence[int], body: nn.Module, *, pooled: bool) -> None:
        super().__init__(group, row)
        self.sizes, self.body, self.pooled = tuple(sizes), body, pooled

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """``pooled``: the body's outputs have no height and width, and are added as they are."""
        parts = []
        for at, weight in self.terms():
            shrunk = F.interpolate(x_BCHW, size=(self.sizes[at],) * 2, mode="area")
            out = self.body(shrunk)
            parts.append((weight, out))
        if not self.pooled:
            largest = max((out.shape[-2:] for _, out in parts), key=lambda size: size[0])
            parts = [(w, out if out.shape[-2:] == largest else F.interpolate(out, size=largest)) for w, out in parts]
        scaled = [_weighted(weight, out) for weight, out in parts]
        return sum(scaled[1:], scaled[0])


def _weighted(weight: Tensor, x: Tensor) -> Tensor:
    return x if not weight.requires_grad and bool(weight == 1) else weight.to(x.dtype) * x


@final
class MixedSupernet(Supernet):
    """A network of mixed parts; ``network`` is called with the inputs alone."""

    def __init__(self, groups: Sequence[ChoiceGroup], network: nn.Module) -> None:
        super().__init__()
        self.groups, self.network = tuple(groups), network

    def parts(self) -> list[MixedPart]:
        return [module for module in self.network.modules() if isinstance(module, MixedPart)]

    def forward(self, *inputs: Tensor, weights: MixingWeights, sparse: bool = False) -> Any:
        for part in self.parts():
            part.weights, part.sparse = weights[part.group][part.row], sparse
        return self.network(*inputs)


__all__ = ["MaskedWidth", "MixedOperation", "MixedPart", "MixedResolution", "MixedSum", "MixedSupernet"]
