"""Candidate operations of one edge share the modules that they have in common (TopoNAS, Zhao et al., arXiv 2408.01311).

Operations are chains of blocks, each ReLU - convolutions - normalisation. Members of a group run as one chain:
activations, equal convolutions (the pointwise ones) and normalisations once for all; different convolutions are linear,
so the mixture of their outputs is one convolution with the mixture of their kernels. With w the mixing weights,

    v = w / sum of w over the group,  out = |w| * chain(x; sum_k v_k pad(K_k / |K_k|)).

The normalisation at the chain's end takes away the scale of the mixture, and |w|, the 2-norm of the group's weights,
gives it back: outputs of separate operations, each normalised, differ, so that their sum of w_k f_k has a standard
deviation of |w|. With it the gradient of every w_k is to first order that of separate operations; with the plain sum
of w, a group of two is larger by the root of two than its members apart, and their gradients with it. A chain that ends
without a normalisation has the sum, and is exact.

``partial`` sharing (PMS) groups chains that differ in kernel sizes only. ``floating`` sharing (FMS) lets a block serve
chains of different lengths and dilations: the shorter ones leave the cascade after their last block.

The paper's formulas could not be read: the grouping follows its description; the kernel normalisation (unit norm per
output channel, so that a larger kernel does not drown a smaller one) and the group's weight are reconstructions. It is
another supernet than the unshared one: compare derived cells, not losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from nascence.supernets.cells.fused import FusedBatchNorm2d, FusedConv2d, FusedReLU, positions, select_copies
from nascence.supernets.cells.mixtures import Geometry, convolve_mixture, merge

Sharing = Literal["none", "partial", "floating"]
Carrier = tuple[tuple[int, ...], nn.Module]
"""The operations (their positions) that a module computes, and the module."""

_EPSILON = 1e-5
_LEAST_SQUARE = 1e-12
"""Beneath the root of a group's squared weights: a group without any has a gradient of zero, not none."""


@final
class MergedConv2d(nn.Module):
    """One convolution per dilation with the weighted sum of its members' kernels, zero-padded to the largest."""

    def __init__(self, convolutions: Sequence[FusedConv2d], normalise: bool = True) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.normalise = normalise

    def forward(self, x_BCHW: Tensor, weights_TM: Tensor) -> Tensor:
        """``weights_TM`` [T, M]: of the M members on each of the active edges."""
        members: dict[tuple[int, ...], list[int]] = {}
        for at, convolution in enumerate(self.convolutions):
            assert isinstance(convolution, FusedConv2d)
            members.setdefault(tuple(convolution.dilation), []).append(at)
        total: Tensor | None = None
        for places in members.values():
            convolutions = [self.convolutions[at] for at in places]
            largest = max(convolutions, key=_width)
            assert isinstance(largest, FusedConv2d)
            kernels = [self._kernel(convolution) for convolution in convolutions]
            shares_TM = weights_TM[:, places]
            if largest.quick and not torch.is_autocast_enabled(x_BCHW.device.type):
                x, groups = largest.placed(x_BCHW, kernels[0])
                (size, stride, dilation), padding = _moves(largest), largest.padding[0]
                assert isinstance(padding, int)
                out = convolve_mixture(x, shares_TM, kernels, Geometry(size, stride, dilation, groups, padding))
            else:
                out = largest.convolve(x_BCHW, merge(shares_TM, kernels))
            total = out if total is None else total + out
        assert total is not None
        return total

    def _kernel(self, convolution: nn.Module) -> Tensor:
        assert isinstance(convolution, FusedConv2d)
        weight = select_copies(convolution.weight, convolution.copies, convolution.active)
        return weight / (weight.flatten(1).norm(dim=1)[:, None, None, None] + _EPSILON) if self.normalise else weight


@final
class SharedOperations(nn.Module):
    """The fused chains ``members`` (positions among the candidates and modules) as one cascade of blocks."""

    def __init__(self, members: Sequence[nn.Sequential], normalise: bool = True) -> None:
        super().__init__()
        chains = [_blocks(member) for member in members]
        self.lengths = [len(chain) for chain in chains]
        self.blocks = nn.ModuleList()
        for stage in range(max(self.lengths)):
            layers = zip(*(chain[stage] for chain in chains if len(chain) > stage), strict=True)
            self.blocks.append(nn.ModuleList(_shared(same, normalise) for same in layers))

    def forward(self, x_BCHW: Tensor, weights_TM: Tensor) -> Tensor:
        """What stands for the weighted sum of the members' outputs, [B, T * C, H, W], edge by edge.

        ``weights_TM``: the members' mixing weights on each of the T active edges.
        """
        summed: Tensor | None = None
        for stage, layers in enumerate(self.blocks, start=1):
            assert isinstance(layers, nn.ModuleList)
            going = [at for at, length in enumerate(self.lengths) if length >= stage]
            weights = weights_TM[:, positions(going, weights_TM.device)]
            total = weights.sum(1, keepdim=True)
            shares_TM = weights / torch.where(total == 0, 1.0, total)
            last = layers[-1]
            normalised = isinstance(last, FusedBatchNorm2d)
            last_ones = [at for at in going if self.lengths[at] == stage]
            leaving = weights_TM[:, positions(last_ones, weights_TM.device)]
            ending = (leaving.square().sum(1) + _LEAST_SQUARE).sqrt() if normalised else leaving.sum(1)
            norm = last if isinstance(last, FusedBatchNorm2d) and stage == len(self.blocks) else None
            if norm is not None:
                norm.scale = ending
            for layer in layers:
                x_BCHW = layer(x_BCHW, shares_TM) if isinstance(layer, MergedConv2d) else layer(x_BCHW)
            if norm is not None:
                norm.scale = None
            if stage in self.lengths:
                out = x_BCHW
                if norm is None:
                    out = (out.unflatten(1, (len(ending), -1)) * ending.view(-1, 1, 1, 1)).flatten(1, 2)
                summed = out if summed is None else summed + out
        assert summed is not None
        return summed


def _moves(convolution: FusedConv2d) -> tuple[int, int, int]:
    """Kernel size, stride and dilation, the same in both directions."""
    return convolution.kernel_size[0], convolution.stride[0], convolution.dilation[0]


def _width(convolution: nn.Module) -> int:
    assert isinstance(convolution, FusedConv2d)
    return convolution.kernel_size[0]


def share_modules(candidates: Sequence[nn.Module], sharing: Sharing, normalise: bool = True) -> list[Carrier]:
    """The fused ``candidates`` of one source with what they can share shared; who shares nothing stays as it is.

    The order is that of each carrier's first operation; ``none`` leaves every candidate alone.
    """
    groups: dict[object, list[int]] = {}
    for at, candidate in enumerate(candidates):
        signature = _signature(candidate, sharing)
        groups.setdefault(at if signature is None else signature, []).append(at)
    carriers: list[Carrier] = []
    for places in groups.values():
        if len(places) == 1:
            carriers.append((tuple(places), candidates[places[0]]))
        else:
            members = [candidates[at] for at in places]
            carriers.append((tuple(places), SharedOperations(members, normalise)))  # type: ignore[arg-type]
    return carriers


def _signature(candidate: nn.Module, sharing: Sharing) -> object:
    """What chains have in common that can run as one; None for what cannot be shared."""
    if sharing == "none" or not isinstance(candidate, nn.Sequential):
        return None
    blocks = _blocks(candidate)
    if not all(any(isinstance(layer, FusedConv2d) for layer in block) for block in blocks):
        return None
    kinds = [tuple(_layer_kind(layer, sharing) for layer in block) for block in blocks]
    return tuple(kinds[:1]) if sharing == "floating" and len(set(map(_unstrided, kinds))) == 1 else tuple(kinds)


def _layer_kind(layer: nn.Module, sharing: Sharing) -> tuple[object, ...]:
    if not isinstance(layer, FusedConv2d):
        return (type(layer).__name__,)
    depthwise = layer.template_groups > 1
    return ("conv", depthwise, tuple(layer.stride), None if sharing == "floating" else tuple(layer.dilation))


def _unstrided(block: tuple[tuple[object, ...], ...]) -> tuple[tuple[object, ...], ...]:
    return tuple(kind[:2] for kind in block)


def _blocks(chain: nn.Sequential) -> list[list[nn.Module]]:
    """The layers of a chain, cut before every activation but the first layer."""
    blocks: list[list[nn.Module]] = [[]]
    for layer in chain:
        if isinstance(layer, FusedReLU) and blocks[-1]:
            blocks.append([])
        blocks[-1].append(layer)
    return blocks


def _shared(layers: Sequence[nn.Module], normalise: bool) -> nn.Module:
    """One module for the layers that stand in the same place of several chains."""
    first = layers[0]
    if len(layers) == 1 or not isinstance(first, FusedConv2d):
        assert len(layers) == 1 or isinstance(first, FusedReLU | FusedBatchNorm2d)
        return first
    convolutions = [layer for layer in layers if isinstance(layer, FusedConv2d)]
    forms = {(tuple(layer.kernel_size), tuple(layer.dilation)) for layer in convolutions}
    return first if len(forms) == 1 else MergedConv2d(convolutions, normalise)


__all__ = ["Carrier", "MergedConv2d", "SharedOperations", "Sharing", "share_modules"]
