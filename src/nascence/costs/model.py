"""Costs of every architecture of a space at a network size, and selection within limits of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.cells import CellPricing, as_array
from nascence.costs.choices import ChoicePricing
from nascence.costs.exchange import MAX_PAIRS, Costs, exchange
from nascence.costs.groups import PricedChoices, combine, reference, replaced
from nascence.costs.latency_table import LatencyTable
from nascence.costs.networks import Networks
from nascence.costs.runtimes import get_runtime, usual_runtime
from nascence.costs.selection import Group, choose
from nascence.costs.terms import architecture_at, positions_of
from nascence.costs.timing import Clock
from nascence.errors import BudgetError, SettingError, UnknownNameError
from nascence.seeding import generator
from nascence.spaces import Size, Space, plain_size
from nascence.tasks.base import IMAGES, Signature

COST_NAMES = ("params", "flops", "memory_mib", "latency_ms")
_DESCENTS, _SLOW_PAIRS = 2, 500
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Selected:
    """An architecture and its sum of scores."""

    architecture: Architecture
    score: float


@final
class CostModel:
    """Prices architectures as sums over groups of choices (an edge, a node, or a single choice).

    ``params`` and ``flops`` are exact. In cell spaces no architecture is built for them
    (:class:`nascence.costs.cells.CellPricing`); in others see :class:`nascence.costs.choices.ChoicePricing`; where
    costs do not add up, every network is counted on its own and there is no selection. Latency is predicted from parts
    measured on this machine, or looked up in ``latency_table``. Peak memory (``memory_mib``) is no sum, so every
    network is traced on its own. Everything is computed when first asked for, and kept.

    The auxiliary head, which exists during training only, is not counted.
    """

    def __init__(
        self,
        space: Space,
        network: Size,
        signature: Signature = IMAGES,
        *,
        threads: int | None = None,
        latency_table: LatencyTable | None = None,
        runtime: str | None = None,
        clock: Clock | None = None,
        anew: bool = False,
    ) -> None:
        """``runtime``: what latencies are of, ``onnx`` or ``torch``; None for the table's, and without one for what is
        usual for the signature. ``anew``: latencies are measured even where earlier ones were kept. Raises
        :class:`SettingError` when the table is of another space, network, input, runtime or device, and
        :class:`UnknownNameError` for an unknown runtime."""
        self.space = space
        network = plain_size(network)
        if runtime is None:
            runtime = usual_runtime(signature) if latency_table is None else latency_table.runtime
        if latency_table is not None:
            latency_table.check(space.name, network, signature, threads, get_runtime(runtime))
        self.networks = Networks(
            space, network, signature, threads, latency_table, get_runtime(runtime).name, clock, anew=anew
        )
        self._prices: dict[str, list[Floats]] = {}

    def params(self, architecture: Architecture) -> int:
        """The number of parameters."""
        return int(self.cost("params", architecture))

    def flops(self, architecture: Architecture) -> int:
        """FLOPs = 2 x MACs of the forward pass of one image or graph (:func:`nascence.costs.flops`)."""
        return int(self.cost("flops", architecture))

    def predicted_latency_ms(self, architecture: Architecture) -> float:
        """Milliseconds of that forward pass on this machine, from the latencies of its parts in the runtime."""
        return self.cost("latency_ms", architecture)

    def cost(self, name: str, architecture: Architecture) -> float:
        """The cost called ``params``, ``flops``, ``memory_mib`` or ``latency_ms``."""
        if not self.adds_up(name):
            return self.networks.count(name, architecture)
        total = 0.0
        for group, prices in zip(self.groups, self.prices(name), strict=True):
            total += float(prices[group.position(architecture)])
        return total

    def constant(self, name: str) -> float:
        """What every network of a cell space costs, whatever stands on its edges."""
        _known(name)
        return self._cells().table(name)[0]

    def table(self, name: str) -> dict[str, Tensor]:
        """Per kind of cell the cost [E, O] of each operation on each edge, summed over all cells of that kind."""
        _known(name)
        pricing = self._cells()
        return dict(zip(pricing.space.kinds, torch.from_numpy(pricing.table(name)[1].copy()), strict=True))

    def adds_up(self, name: str) -> bool:
        """Whether a cost is a sum over the groups of choices, so that :meth:`prices` and :meth:`select` know it."""
        _known(name)
        if name in ("params", "flops") and isinstance(self._pricing, ChoicePricing):
            return self._pricing.exact
        if name == "latency_ms" and self.networks.in_pieces:
            return self.networks.latency_table is not None
        return name != "memory_mib"

    def latency_parts(self) -> tuple[float, dict[str, list[Any]]]:
        """The latencies of a :class:`LatencyTable`: of what all networks have, and of the parts: per kind of cell
        [E][O], or per choice [options]."""
        if isinstance(self._pricing, CellPricing):
            constant, table = self._pricing.table("latency_ms")
            return constant, {kind: part.tolist() for kind, part in zip(self._pricing.space.kinds, table, strict=True)}
        singles = self._pricing.latencies()
        constant = float(singles[0][0])
        singles = [singles[0] - constant, *singles[1:]]
        return constant, {choice.name: part.tolist() for choice, part in zip(self.space.choices, singles, strict=True)}

    def expected(self, name: str, weights: Mapping[str, Tensor]) -> Tensor:
        """The differentiable mean of a cost under mixing weights.

        ``weights``: for a cell space [E, O] per kind of cell: constant + sum of weight x cost, the mean over
        architectures drawn edge by edge with these weights as probabilities (they need not add up to 1: what is
        missing keeps no operation). For any space, also [options] per choice, by the choices' names: the mean over
        answers drawn choice by choice, costs that choices have together included. Peak memory is a maximum, whose mean
        is no such sum: raises :class:`SettingError`, as for other costs that do not add up.
        """
        if (cells := self.space.as_cells) is not None and set(weights) == set(cells.kinds):
            parts = [(weights[kind] * costs.to(weights[kind])).sum() for kind, costs in self.table(name).items()]
            return torch.stack(parts).sum() + self.constant(name)
        for choice in self.space.choices:
            if choice.name not in weights or weights[choice.name].shape != (len(choice.options),):
                raise SettingError(
                    f"The expected {name} needs weights of shape [{len(choice.options)}] for '{choice.name}'."
                )
        if self._in_terms(name):
            assert self.networks.terms is not None
            return self.networks.terms.expected(name, weights)
        means = []
        for group, prices in zip(self.groups, self.prices(name), strict=True):
            rows = [weights[self.space.choices[at].name] for at in group.choices]
            left = torch.from_numpy(prices).to(rows[0]).view([len(row) for row in rows])
            for row in reversed(rows):  # the last choice runs fastest
                left = left @ row
            means.append(left)
        return torch.stack(means).sum()

    def range(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value that an architecture of the space can have.

        Exact where the cost :meth:`adds_up`; else the ends of coordinate descents, which are exact where every choice
        has a cheapest and a dearest answer whatever the others are.
        """
        if self.adds_up(name):
            prices = self.prices(name)
            return float(sum(part.min() for part in prices)), float(sum(part.max() for part in prices))
        low, high = (self.cost(name, self.extreme(name, largest=largest)) for largest in (False, True))
        return low, high

    def extreme(self, name: str, *, largest: bool, limits: Mapping[str, float] | None = None) -> Architecture:
        """An architecture at an end of :meth:`range`, or at the end of what ``limits`` leave of it; among equals that
        of the first options. Raises :class:`BudgetError` when nothing is within the limits."""
        if not self.adds_up(name):
            if limits:
                raise SettingError(f"In {self.space.name} {name} is no sum over choices; it cannot be limited here.")
            return self._descend(name, largest)
        values = [part if largest else -part for part in self.prices(name)]
        picks = self._choose(limits or {}, values)
        if picks is None:
            raise BudgetError(f"No architecture of {self.space.name} at this network size is within the limits.")
        return combine(self.space, self.groups, picks)

    def select(
        self,
        *,
        limits: Mapping[str, float],
        scores: Mapping[str, Tensor] | None = None,
        remaining: Mapping[str, Tensor] | None = None,
        options: Mapping[int, Collection[str]] | None = None,
        near: tuple[Architecture, int] | None = None,
    ) -> Selected | None:
        """The architecture with every cost within ``limits`` and the largest sum of ``scores``, or None.

        Without scores: the one of the smallest cost, of the last one limited. Scores of minus infinity forbid. Where a
        limited cost is no sum, found by :mod:`nascence.costs.exchange` from scores per choice: within the limits, near
        the best; without scores any that fits.
        ``remaining`` (cell spaces, booleans [E, O] per kind) and ``options`` (answers by choice) restrict; ``near``
        bounds the number of changed answers. Raises :class:`SettingError` on scores that are NaN, of a wrong shape or
        for something that the space does not have.
        """
        for name in limits:
            _known(name)
        if not all(self.adds_up(name) for name in limits) and remaining is None and near is None:
            return self._select_by_exchange(limits, scores or {}, options or {})
        masks = self._masks(remaining, options)
        names = list(limits)
        columns = [self.prices(name) for name in names]
        bounds = [float(limits[name]) for name in names]
        if near is not None:
            columns.insert(0, self._changes(near[0]))
            bounds.insert(0, float(near[1]))
        if scores is not None:
            values = self._scores(scores)
            masks = [mask & (value > -np.inf) for mask, value in zip(masks, values, strict=True)]
        elif names:
            values, last = [-part for part in columns.pop()], bounds.pop()
        else:
            values = [np.zeros(len(mask)) for mask in masks]
        chosen = choose(
            [
                Group(
                    np.array([part[at][mask] for part in columns]).reshape(len(columns), mask.sum()).T, values[at][mask]
                )
                for at, mask in enumerate(masks)
            ],
            np.array(bounds),
        )
        if chosen is None:
            return None
        picks = [int(np.flatnonzero(mask)[pick]) for mask, pick in zip(masks, chosen, strict=True)]
        score = float(sum(value[pick] for value, pick in zip(values, picks, strict=True)))
        if scores is None and names and -score > last:
            return None
        return Selected(combine(self.space, self.groups, picks), score)

    def nearest(
        self, architecture: Architecture, limits: Mapping[str, float], scores: Mapping[str, Tensor] | None = None
    ) -> Selected | None:
        """The architecture within ``limits`` with the fewest answers changed, then the largest sum of scores (without:
        the smallest cost, of the last one limited); None when there is none."""
        if not all(self.adds_up(name) for name in limits):
            return self._nearest_by_exchange(architecture, limits, scores or {})
        for changes in range(len(self.space.choices) + 1):
            found = self.select(limits=limits, near=(architecture, changes))
            if found is not None:
                return (
                    found if scores is None else self.select(limits=limits, scores=scores, near=(architecture, changes))
                )
        return None

    def _select_by_exchange(
        self, limits: Mapping[str, float], scores: Mapping[str, Tensor], options: Mapping[int, Collection[str]]
    ) -> Selected | None:
        rows = self._rows(scores)
        for place, allowed in options.items():
            names = self.space.choices[place].options
            rows[place] = np.where([name in allowed for name in names], rows[place], -np.inf)
        found = exchange(rows, *self._limited(limits))
        if found is None:
            return None
        score = sum(row[option] for row, option in zip(rows, found, strict=True))
        return Selected(architecture_at(self.space, found), float(score))

    def _nearest_by_exchange(
        self, architecture: Architecture, limits: Mapping[str, float], scores: Mapping[str, Tensor]
    ) -> Selected | None:
        """An answer that stays is worth more than all scores together can make up for."""
        rows, start = self._rows(scores), positions_of(self.space, architecture)
        finite = [row[row > -np.inf] for row in rows]
        worth = 1.0 + 2.0 * sum(float(np.ptp(row)) for row in finite if len(row))
        pulled = [row + worth * (np.arange(len(row)) == at) for row, at in zip(rows, start, strict=True)]
        for row, at in zip(pulled, start, strict=True):
            row[at] = worth if row[at] == -np.inf else row[at]
        found = exchange(pulled, *self._limited(limits), start=start)
        if found is None:
            return None
        score = sum(row[option] for row, option in zip(rows, found, strict=True))
        return Selected(architecture_at(self.space, found), float(score))

    def _rows(self, scores: Mapping[str, Tensor]) -> list[Floats]:
        """Scores [options] of every choice, 0 for what is missing."""
        lengths = {choice.name: len(choice.options) for choice in self.space.choices}
        for name in scores:
            if name not in lengths:
                raise UnknownNameError("choice", name, lengths)
        return [
            as_array(scores[name], (length,), name).astype(np.float64) if name in scores else np.zeros(length)
            for name, length in lengths.items()
        ]

    def _limited(self, limits: Mapping[str, float]) -> tuple[Costs, Floats, int]:
        """What :func:`exchange` wants to know of costs: of many architectures at once, their limits, and how many
        exchanges of two answers it may look at."""
        bounds = np.array([float(limit) for limit in limits.values()])
        return (
            lambda positions: np.stack([self._costs_at(name, positions) for name in limits], axis=1),
            bounds,
            MAX_PAIRS if self.quick(limits) else _SLOW_PAIRS,
        )

    def quick(self, names: Collection[str]) -> bool:
        """Whether no network must be built to know these costs."""
        return all(self.adds_up(name) or self._in_terms(name) for name in names)

    def _in_terms(self, name: str) -> bool:
        return self.networks.terms is not None and name in self.networks.terms

    def _costs_at(self, name: str, positions: NDArray[np.intp]) -> Floats:
        """The cost [N] of architectures given by the positions [N, C] of their options."""
        if self._in_terms(name):
            assert self.networks.terms is not None
            return self.networks.terms.at(name, positions)
        if not self.adds_up(name):
            return np.array([self.cost(name, architecture_at(self.space, row)) for row in positions])
        total = np.zeros(len(positions))
        for group, prices in zip(self.groups, self.prices(name), strict=True):
            sizes = [len(self.space.choices[place].options) for place in group.choices]
            combinations = np.ravel_multi_index(tuple(positions[:, place] for place in group.choices), sizes)
            total += prices[combinations]
        return total

    def prices(self, name: str) -> list[Floats]:
        """Per group of choices the cost [N] of its combinations; the constant is in the first group."""
        if name not in self._prices:
            if not self.adds_up(name):
                raise SettingError(
                    f"In {self.space.name} the {name} of a network is no sum over its choices, so nothing can be "
                    "selected by it; filter single architectures instead."
                )
            self._prices[name] = self._pricing.prices(name)
        return self._prices[name]

    def _descend(self, name: str, largest: bool) -> Architecture:
        """The best end of coordinate descents, from the first options and from random architectures."""
        sign = -1.0 if largest else 1.0

        def value(architecture: Architecture) -> float:
            return sign * self.networks.count(name, architecture)

        ends = []
        for start in [reference(self.space), *(self.space.sample(generator(at, "descent")) for at in range(_DESCENTS))]:
            best, before = start, None
            while best != before:
                before = best
                for at, choice in enumerate(self.space.choices):
                    others = [replaced(best, (at,), (option,)) for option in choice.options]
                    best = min((best, *others), key=value)
            ends.append(best)
        return min(ends, key=value)

    def _choose(self, limits: Mapping[str, float], values: Sequence[Floats]) -> list[int] | None:
        """The combination of each group that together have the largest sum of values [N] within the limits."""
        columns = [self.prices(name) for name in limits]
        groups = [
            Group(np.array([column[at] for column in columns]).reshape(len(columns), len(value)).T, value)
            for at, value in enumerate(values)
        ]
        return choose(groups, np.array(list(limits.values()), dtype=np.float64))

    @property
    def groups(self) -> list[PricedChoices]:
        """The choices that are priced together."""
        return self._pricing.groups

    @cached_property
    def _pricing(self) -> CellPricing | ChoicePricing:
        cells = self.space.as_cells
        return ChoicePricing(self.networks) if cells is None else CellPricing(cells, self.networks)

    def _cells(self) -> CellPricing:
        if not isinstance(self._pricing, CellPricing):
            raise SettingError(f"{self.space.name} has no cells, so it has no costs per edge and operation.")
        return self._pricing

    def _masks(
        self, remaining: Mapping[str, Tensor] | None, options: Mapping[int, Collection[str]] | None
    ) -> list[NDArray[np.bool_]]:
        """Which combinations of each group are left."""
        masks = [group.allowed(self.space, options or {}) for group in self.groups]
        if remaining is None:
            return masks
        flat = self._cells().flatten(remaining, missing=1.0) > 0
        return [mask & flat[used].all(axis=1) for mask, used in zip(masks, self._cells().operations, strict=True)]

    def _scores(self, scores: Mapping[str, Tensor]) -> list[Floats]:
        """The sum of scores of each combination of each group."""
        choices = {choice.name: len(choice.options) for choice in self.space.choices}
        kinds: tuple[str, ...] = ()
        values = [np.zeros(len(group.answers)) for group in self.groups]
        if isinstance(self._pricing, CellPricing):
            kinds = self._pricing.space.kinds
            flat = self._pricing.flatten({kind: scores[kind] for kind in kinds if kind in scores}, missing=0.0)
            values = [flat[used].sum(axis=1) for used in self._pricing.operations]
        for name in scores:
            if name not in choices and name not in kinds:
                raise UnknownNameError("kind of cell" if kinds else "choice", name, {*kinds, *choices})
        for number, group in enumerate(self.groups):
            for place, at in enumerate(group.choices):
                name = self.space.choices[at].name
                if name in scores and name not in kinds:
                    part = as_array(scores[name], (choices[name],), name)
                    values[number] = values[number] + part[group.options[:, place]]
        if any(np.isnan(value).any() or (value == np.inf).any() for value in values):
            raise SettingError("Scores must be numbers or minus infinity, not NaN or infinity.")
        return values

    def _changes(self, architecture: Architecture) -> list[Floats]:
        """How many answers of each combination differ from an architecture's."""
        return [
            (group.options != group.options[group.position(architecture)]).sum(axis=1).astype(np.float64)
            for group in self.groups
        ]


def _known(name: str) -> None:
    if name not in COST_NAMES:
        raise UnknownNameError("cost", name, COST_NAMES)


__all__ = ["COST_NAMES", "CostModel", "Selected"]
