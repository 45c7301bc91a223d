"""The supernet of a network of one's own: a mask in front of every layer that reads channels, so behind normalisation
and activation of the layer before; a weight at the end of every branch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, fx, nn

from nascence.spaces.own.analysis import Analysis
from nascence.spaces.own.channels import STAYS, Integers
from nascence.spaces.own.slicing import copied_graph
from nascence.supernets.extents import Row
from nascence.supernets.mixed import MixedPart

KEEP = 0
"""The option of a branch's row that keeps it."""
Steps = Mapping[str, tuple[Row, Tensor]]
"""Per group of units its row, and booleans [O, units of the group]: which each option keeps."""


@final
class MaskedChannels(MixedPart):
    """x times the chance that each position of dimension ``dim`` is kept: sum_o w_o 1[unit kept by o] (Wan et al.,
    FBNetV2, CVPR 2020, equation 4, here for units in any order and from several rows)."""

    def __init__(self, dim: int, steps: Sequence[tuple[Row, Tensor]], places: Integers) -> None:
        """``places`` [n]: 0 for what stays, else 1 + the unit's place among those of all ``steps``."""
        (group, row), *further = [own for own, _ in steps]
        super().__init__(group, row, *further)
        self.dim = dim
        for number, (_, each) in enumerate(steps):
            self.register_buffer(f"steps{number}", each.float(), persistent=False)
        self.places: Tensor
        self.register_buffer("places", torch.from_numpy(places), persistent=False)

    def mask(self) -> Tensor:
        """[n]"""
        assert self.row_weights, "a supernet is called with mixing weights"
        parts = [weights @ getattr(self, f"steps{n}").to(weights.dtype) for n, weights in enumerate(self.row_weights)]
        return torch.cat([parts[0].new_ones(1), *parts])[self.places]

    def forward(self, x: Tensor) -> Tensor:
        shape = [1] * x.dim()
        shape[self.dim] = -1
        return x * self.mask().to(x.dtype).view(shape)


@final
class MaskedLayerNorm(nn.Module):
    """Layer normalisation whose mean and variance are those of the channels that are kept, by their mask m:
    mean = sum m x / sum m, variance = sum m (x - mean)^2 / sum m."""

    def __init__(self, layer: nn.LayerNorm, mask: MaskedChannels) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps
        self.masked = mask

    def forward(self, x_BC: Tensor) -> Tensor:
        mask = self.masked.mask().to(x_BC.dtype)
        total = mask.sum()
        centred = x_BC - (x_BC * mask).sum(-1, keepdim=True) / total
        found = centred * torch.rsqrt((centred.square() * mask).sum(-1, keepdim=True) / total + self.eps)
        if self.weight is not None:
            found = found * self.weight
        return found if self.bias is None else found + self.bias


@final
class Gate(MixedPart):
    """shortcut + w branch, with the weight w of keeping the branch."""

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        return shortcut + self.weights[KEEP].to(branch.dtype) * branch


def masked(analysis: Analysis, steps: Steps, gates: Mapping[str, Row]) -> fx.GraphModule:
    """A copy of the whole network with masks and gates. ``gates``: per branch its row."""
    graph, nodes = copied_graph(analysis.network)
    layers: dict[str, nn.Module] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            layers[str(node.target)] = analysis.network.get_submodule(str(node.target))
    layers = {path: copy.deepcopy(layer) for path, layer in layers.items()}
    added: dict[str, nn.Module] = {}
    for name, (dim, axis) in analysis.reads.items():
        node, part = nodes[name], _mask(analysis, steps, dim, axis)
        path = str(node.target)
        if isinstance(layers.get(path), nn.LayerNorm | MaskedLayerNorm):
            if isinstance(layers[path], nn.LayerNorm):
                layers[path] = MaskedLayerNorm(layers[path], part)  # type: ignore[arg-type]
            continue
        added[f"mask_{name}"] = part
        with graph.inserting_before(node):
            masked_input = graph.call_module(f"mask_{name}", (node.args[0],))
        node.args = (masked_input, *node.args[1:])
    for branch in analysis.branches:
        node = nodes[branch.add]
        shortcut, other = node.args[branch.shortcut], node.args[1 - branch.shortcut]
        added[f"gate_{branch.add}"] = Gate(*gates[branch.name])
        with graph.inserting_before(node):
            gated = graph.call_module(f"gate_{branch.add}", (shortcut, other))
        node.replace_all_uses_with(gated)
        graph.erase_node(node)
    return fx.GraphModule({**layers, **added}, graph, type(analysis.network).__name__)


def _mask(analysis: Analysis, steps: Steps, dim: int, axis: Integers) -> MaskedChannels:
    own, first = [], 1
    place_of = np.zeros(len(analysis.rank) + 1, dtype=np.int64)
    here = set(axis[axis != STAYS].tolist())
    for group in analysis.channels.groups:
        if here & set(group.units):
            own.append(steps[group.name])
            place_of[np.array(group.units)] = first + np.arange(len(group.units))
            first += len(group.units)
    return MaskedChannels(dim, own, place_of[axis])


__all__ = ["KEEP", "Gate", "MaskedChannels", "MaskedLayerNorm", "Steps", "masked"]
