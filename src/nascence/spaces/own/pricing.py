"""What networks thinned from one's own cost: parameters and FLOPs as sums of products of widths, layer by layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from nascence.spaces.own.analysis import Analysis
from nascence.spaces.own.channels import STAYS, Integers
from nascence.spaces.own.masking import Steps
from nascence.supernets.extents import Extent, Row
from nascence.supernets.tally import Tally


def prices(analysis: Analysis, steps: Steps, gates: Mapping[str, Row]) -> dict[str, list[Extent]]:
    """``params`` and ``flops`` over the rows of groups; see :meth:`nascence.spaces.base.Space.cost_terms`."""
    sizes = _Sizes(analysis, steps)
    tally = Tally()
    calls: dict[str, list[frozenset[str]]] = {}
    for node in analysis.network.graph.nodes:
        inside = frozenset(branch.name for branch in analysis.branches if node.name in branch.inside)
        if node.op == "call_module":
            calls.setdefault(str(node.target), []).append(inside)
        flops = analysis.flops.get(node.name, 0)
        if not flops:
            continue
        there = _there(inside, gates)
        if node.name in analysis.heads:
            axis = analysis.heads[node.name]
            for part in sizes.product([axis], flops):
                tally.add(0.0, part, where=there)
        elif node.op == "call_module":
            axes = analysis.tensors.get(str(node.target), {}).get("weight", [])
            for part in sizes.product(axes, flops):
                tally.add(0.0, part, where=there)
        else:
            tally.add(0.0, float(flops), where=there)
    for path, several in calls.items():
        there = _there(frozenset.intersection(*several), gates)
        axes_of = analysis.tensors.get(path, {})
        for name, value in analysis.network.get_submodule(path).named_parameters():
            for part in sizes.product(axes_of.get(name, []), value.numel()):
                tally.add(part, where=there)
    return {name: [part for part in parts if bool((part.values != 0).any())] for name, parts in tally.costs.items()}


def _there(inside: frozenset[str], gates: Mapping[str, Row]) -> Extent:
    there = Extent.fixed(1.0)
    for name in sorted(inside):
        there = there * Extent.chosen(gates[name], 2, 0)
    return there


class _Sizes:
    def __init__(self, analysis: Analysis, steps: Steps) -> None:
        self.steps = steps
        self.group_of = np.full(len(analysis.rank) + 1, STAYS, dtype=np.int64)
        self.place_of = np.zeros(len(analysis.rank) + 1, dtype=np.int64)
        self.groups = analysis.channels.groups
        for number, group in enumerate(self.groups):
            self.group_of[np.array(group.units)] = number
            self.place_of[np.array(group.units)] = np.arange(len(group.units))

    def of(self, axis: Integers) -> list[Extent]:
        """How many positions are left: a part for every group that has a say, and one for what stays."""
        owners = self.group_of[axis]
        found = []
        stays = int((owners == STAYS).sum())
        if stays:
            found.append(Extent.fixed(float(stays)))
        for number in np.unique(owners[owners != STAYS]).tolist():
            row, steps_OU = self.steps[self.groups[number].name]
            places = self.place_of[axis[owners == number]]
            counts: Tensor = steps_OU[:, places].sum(1)
            found.append(Extent.of(row, [float(count) for count in counts]))
        return found

    def product(self, axes: list[Integers | None], amount: int) -> list[Extent]:
        """What is left of an ``amount`` that is proportional to the length of each axis, as a sum of products."""
        cut = [axis for axis in axes if axis is not None]
        unit = amount / math.prod(len(axis) for axis in cut)  # a whole number, so that sums stay exact
        found = []
        for factors in itertools.product(*(self.of(axis) for axis in cut)):
            product = Extent.fixed(unit)
            for factor in factors:
                product = product * factor
            found.append(product)
        return found


__all__ = ["prices"]
