"""All that is known of a network of one's own: its graph, its units of channels, its branches, and their costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from torch import Tensor, fx, nn

from nascence.errors import SettingError
from nascence.spaces.own.branches import Branch, branches
from nascence.spaces.own.channels import STAYS, Channels, Integers, channels
from nascence.spaces.own.following import follow
from nascence.spaces.own.importance import importance
from nascence.spaces.own.labels import Labelled
from nascence.spaces.own.layer_rules import CONVOLUTIONS
from nascence.tasks.base import Signature

Axes = list[Integers | None]
"""Per dimension of a tensor the unit of every position; None where none of them is cut."""


@final
@dataclass(frozen=True, eq=False)
class Analysis:
    """``tensors``: per layer and tensor of it its axes. ``reads``: per node the dimension of its input that it reads
    channel by channel, and the units. ``sizes``: per node that names sizes, the axes of each of its outputs.
    ``heads``: per product of matrices the unit of each. ``numbers``: per node that gives a number which follows from
    how many channels there are, that number in the whole network.
    ``flops``: per node, of one image. ``rank``: of every unit
    within its group, 0 for the one that stays longest. ``whole``: layers whose channels all stay, and why.
    """

    network: fx.GraphModule
    signature: Signature
    channels: Channels
    branches: tuple[Branch, ...]
    tensors: Mapping[str, Mapping[str, Axes]]
    reads: Mapping[str, tuple[int, Integers]]
    sizes: Mapping[str, list[Axes]]
    heads: Mapping[str, Integers]
    numbers: Mapping[str, float]
    flops: Mapping[str, int]
    rank: Integers
    whole: Mapping[str, str]

    def kept(self, counts: Mapping[str, int]) -> Integers:
        """Booleans over the units, and a last one for :data:`STAYS`: the first ``counts`` of each group's."""
        kept = np.ones(len(self.rank) + 1, dtype=bool)
        for group in self.channels.groups:
            units = np.array(group.units)
            kept[units] = self.rank[units] < counts.get(group.name, len(units))
        return kept


def analyse(
    network: fx.GraphModule, signature: Signature, whole: Mapping[str, str], left: Mapping[str, str] = {}
) -> Analysis:
    """``whole``: what could not be traced, and why; ``left``: layers and branches that are to be left as they are.

    Raises :class:`SettingError` where nothing can be chosen."""
    found = follow(network, signature)
    for path, reason in left.items():
        found.pin(found.producers.get(path), reason)
    known = channels(found)
    tensors: dict[str, dict[str, Axes]] = {}
    for path, parts in found.layers.items():
        layer = network.get_submodule(path)
        if f"loose {path}" in found.shapes:
            tensors[path] = {"value": _axes(known, found.shapes[f"loose {path}"][0])}
            continue
        tensors[path] = {
            name: [None if vector is None else _axis(known, vector) for vector in vectors]
            for name, vectors in parts.items()
        }
        if isinstance(layer, CONVOLUTIONS) and layer.groups > 1 and not layer.transposed:
            tensors[path]["weight"][1] = None  # each group reads all of its own
    reads = {
        name: (dim, axis) for name, (dim, vector) in found.reads.items() if (axis := _axis(known, vector)) is not None
    }
    moved = {name: [_axes(known, each) for each in outputs] for name, outputs in found.shapes.items()}
    sizes = {
        name: outputs
        for name, outputs in moved.items()
        if not name.startswith("loose ") and any(axis is not None for axes in outputs for axis in axes)
    }
    heads = {name: axis for name, vector in found.heads.items() if (axis := _axis(known, vector)) is not None}
    choosable = tuple(branch for branch in branches(network, found.values) if branch.name not in left)
    if not known.groups and not choosable:
        told = "; ".join(f"{path}: {why}" for path, why in list({**known.whole, **whole, **left}.items())[:3])
        raise SettingError(f"Nothing of this network can be made thinner or left out ({told}).")
    return Analysis(
        network,
        signature,
        known,
        choosable,
        tensors,
        reads,
        sizes,
        heads,
        _numbers(network, known, found),
        found.flops,
        _ranked(network, known, tensors),
        {**known.whole, **whole, **left},
    )


def _axis(known: Channels, vector: Tensor) -> Integers | None:
    units = known.axis(vector)
    return units if bool((units != STAYS).any()) else None


def _axes(known: Channels, numbers: Tensor) -> Axes:
    """A vector for every dimension along which units differ."""
    units = known.axis(numbers)
    axes: Axes = []
    for dim in range(units.ndim):
        first = np.take(units, [0], axis=dim)
        if bool((units == first).all()):
            axes.append(None)
        else:
            rows = np.moveaxis(units, dim, 0).reshape(units.shape[dim], -1)
            axes.append(rows[:, 0])
    return axes


def _numbers(network: fx.GraphModule, known: Channels, found: Labelled) -> dict[str, float]:
    """Sizes of dimensions that are cut, and what is computed from them."""
    numbers: dict[str, float] = {}
    for node in network.graph.nodes:
        value = found.values.get(node.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        sources = node.all_input_nodes
        follows = any(source.name in numbers for source in sources)
        for asked in [node, *sources]:
            if asked.name in found.asked:
                axes = _axes(known, found.asked[asked.name])
                dim = node.args[1] if len(node.args) > 1 else None
                follows |= axes[dim] is not None if isinstance(dim, int) else any(axis is not None for axis in axes)
        if follows:
            numbers[node.name] = value
    return numbers


def _ranked(network: nn.Module, known: Channels, tensors: Mapping[str, Mapping[str, Axes]]) -> Integers:
    count = sum(len(group.units) for group in known.groups)
    worth = importance(network, tensors, count)
    rank = np.zeros(count, dtype=np.int64)
    for group in known.groups:
        units = np.array(group.units)
        order = np.argsort(-worth[units], kind="stable")
        rank[units[order]] = np.arange(len(units))
    return rank


__all__ = ["Analysis", "Axes", "analyse"]
