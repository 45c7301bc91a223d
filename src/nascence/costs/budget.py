"""A budget, and what a search asks of it: is this allowed, is anything left, what is best within it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.latency import LatencyMeasurement
from nascence.costs.latency_table import LatencyTable
from nascence.costs.model import CostModel, Selected
from nascence.costs.runtimes import SHIPPED
from nascence.costs.timing import Clock
from nascence.errors import BudgetError, SettingError
from nascence.spaces import Size, Space
from nascence.tasks.base import Signature

_REPAIR_MEASUREMENTS = 30


@final
@dataclass(frozen=True, kw_only=True)
class Budget:
    """Upper limits, inclusive, of the network that is trained in the end; None means no limit.

    ``max_params``: number of parameters. ``max_flops``: FLOPs = 2 x MACs of one image's forward pass.
    ``max_latency_ms``: milliseconds of one image's forward pass on this machine, in the runtime that it is bound to: of
    the exported file in ONNX Runtime unless another one is named. Raises :class:`SettingError` when a
    limit is not a positive number.
    """

    max_params: float | None = None
    max_flops: float | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            limit = getattr(self, field.name)
            if limit is not None and not (isinstance(limit, int | float) and 0 < limit < math.inf):
                raise SettingError(f"{field.name} must be a positive number, not {limit!r}.")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost: ``params``, ``flops``, ``latency_ms``."""
        pairs = {field.name.removeprefix("max_"): getattr(self, field.name) for field in fields(self)}
        return {name: float(limit) for name, limit in pairs.items() if limit is not None}

    def __bool__(self) -> bool:
        return bool(self.limits)

    def bind(
        self,
        space: Space,
        network: Size,
        *,
        signature: Signature | None = None,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        num_classes: int = 10,
        threads: int | None = None,
        latency_table: LatencyTable | None = None,
        runtime: str | None = None,
        clock: Clock | None = None,
    ) -> BudgetChecker:
        """The budget applied to ``space`` at a network size, for the inputs and outputs of ``signature``; without one,
        images of ``input_shape`` (channels, height, width) and ``num_classes`` classes.

        ``threads``, ``runtime`` (``onnx`` or ``torch``, None for the table's or what is usual) and ``clock`` are for
        measuring latency; no threads for PyTorch's current number. ``latency_table``: where latencies are predicted
        from; None to measure parts on this machine. Nothing is measured or built yet. Raises :class:`SettingError` when
        the table is of something else.
        """
        signature = signature or Signature.images(input_shape, num_classes)
        model = CostModel(
            space, network, signature, threads=threads, latency_table=latency_table, runtime=runtime, clock=clock
        )
        return BudgetChecker(self, model)


@dataclass(frozen=True)
class Repair:
    """What :meth:`BudgetChecker.repair` did: the architecture to use, what it measures (None without a latency limit),
    and which answers changed, as sentences (empty when nothing had to)."""

    architecture: Architecture
    measured: LatencyMeasurement | None
    changes: tuple[str, ...]


@final
class BudgetChecker:
    """A budget bound to a space at a network size. An empty budget allows everything and never measures.

    Sums of costs and choices within the budget are solved exactly (see :mod:`nascence.costs.selection`), other costs by
    exchanges (:mod:`nascence.costs.exchange`): within the budget, but perhaps short of the best; latency is
    predicted from measurements on this machine until :meth:`verify` and :meth:`repair` measure whole networks.
    """

    def __init__(self, budget: Budget, model: CostModel) -> None:
        self.budget = budget
        self.model = model

    def costs(self, architecture: Architecture) -> dict[str, float]:
        """``params`` and ``flops`` of an architecture, and its predicted ``latency_ms`` when that is limited."""
        costs: dict[str, float] = {"params": self.model.params(architecture), "flops": self.model.flops(architecture)}
        if self.budget.max_latency_ms is not None:
            costs["latency_ms"] = self.model.predicted_latency_ms(architecture)
        return costs

    def allows(self, architecture: Architecture) -> bool:
        """Whether every limit is met (latency: as predicted)."""
        limits = self.budget.limits
        return all(self.model.cost(name, architecture) <= limit for name, limit in limits.items())

    def violation(self, architecture: Architecture) -> float:
        """By how much the limits are exceeded, each as a part of itself, summed: 0 where :meth:`allows` says yes."""
        costs = ((self.model.cost(name, architecture), limit) for name, limit in self.budget.limits.items())
        return float(sum(max(0.0, cost / limit - 1) for cost, limit in costs))

    def check(self) -> None:
        """Raise :class:`BudgetError`, with the reachable range, when no architecture of the space meets the budget."""
        limits = self.budget.limits
        quick = self.model.quick(limits)
        if quick and self.model.select(limits=limits) is not None:
            return
        ranges = {name: self.model.range(name) for name in limits}
        if not quick and all(ranges[name][0] <= limit for name, limit in limits.items()):
            return
        beyond = {name: limit for name, limit in limits.items() if ranges[name][0] > limit} or limits
        together = " together" if len(beyond) > 1 else ""
        wanted = " and ".join(f"{_name(name)} <= {_amount(limit)}" for name, limit in beyond.items())
        reach = ", ".join(f"{_name(name)} from {' to '.join(map(_amount, ranges[name]))}" for name in beyond)
        raise BudgetError(
            f"No architecture of {self.model.space.name} at this network size has {wanted}{together}; "
            f"reachable: {reach}.{self._about_latency(beyond)}"
        )

    def _about_latency(self, limits: Collection[str]) -> str:
        """What a latency in a refusal is of, and what disturbed it; empty where there is none."""
        if "latency_ms" not in limits:
            return ""
        networks = self.model.networks
        if networks.latency_table is not None:
            noise: Collection[str] = networks.latency_table.disturbed
            return f" Latencies in {networks.runtime.title}, looked up." + _again(noise)
        return f" Latencies in {networks.runtime.title} on this machine." + _again(networks.noise)

    @property
    def adds_up(self) -> bool:
        """Whether all limited costs are sums over choices; else :meth:`best` and the like may be short of the best, and
        where networks must be built to count them, :meth:`check` looks at each limit alone."""
        return all(self.model.adds_up(name) for name in self.budget.limits)

    def cheapest(self) -> Architecture:
        """An architecture of the smallest cost, of one that is limited, within all limits. Raises
        :class:`BudgetError`."""
        for name in self.budget.limits:
            architecture = self.model.extreme(name, largest=False)
            if self.allows(architecture):
                return architecture
        raise BudgetError(f"No architecture of {self.model.space.name} that was tried is within the budget; raise it.")

    def feasible(self, remaining: Mapping[str, Tensor]) -> bool:
        """Whether an architecture of a cell space's remaining operations meets all limits jointly.

        ``remaining``: per kind of cell, booleans [edges, operations]; a kind that is missing is unrestricted. Where the
        space keeps some edges per node, the best ones are free to be chosen. False also when nothing remains at all.
        """
        return self.model.select(limits=self.budget.limits, remaining=remaining) is not None

    def feasible_options(self, options: Mapping[int, Collection[str]]) -> bool:
        """The same for any space, in terms of its choices: ``options`` maps a choice's position to what it may still
        be; a choice that is missing is unrestricted."""
        return self.model.select(limits=self.budget.limits, options=options) is not None

    def best(self, scores: Mapping[str, Tensor], remaining: Mapping[str, Tensor] | None = None) -> Architecture:
        """The architecture within the budget of the largest sum of scores.

        ``scores``: per kind of cell [edges, operations], summed over kept edges, and per choice's name [options], both
        added where both are there. What is missing counts zero. ``remaining`` restricts as in :meth:`feasible`. Among
        equals, the cheapest, then the first in the order of the options; without limits and with scores of choices
        alone nothing is priced, and the first counts. Raises :class:`BudgetError` when nothing fits.
        """
        choices = self.model.space.choices
        if not self.budget and remaining is None and set(scores) <= {choice.name for choice in choices}:
            best = [int(scores[choice.name].argmax()) if choice.name in scores else 0 for choice in choices]
            return self.model.space.architecture([c.options[at] for c, at in zip(choices, best, strict=True)])
        found = self.model.select(limits=self.budget.limits, scores=scores, remaining=remaining)
        if found is None:
            self.check()
            raise BudgetError(f"None of the remaining architectures of {self.model.space.name} meets the budget.")
        return found.architecture

    def verify(self, architecture: Architecture) -> LatencyMeasurement:
        """Measure the real network in the runtime on this machine, on one image or graph: where it is within the limit,
        as the very file that is exported."""
        networks = self.model.networks
        measured = networks.measure(architecture)
        limit = self.budget.max_latency_ms
        if networks.runtime.name == SHIPPED and (limit is None or measured.median_ms <= limit):
            measured = networks.measure(architecture, shipped=True)
        return measured

    def repair(self, architecture: Architecture, scores: Mapping[str, Tensor] | None = None) -> Repair:
        """``architecture`` itself when it meets every limit as measured, else the nearest that does.

        Nearest: fewest changed choices, then the largest sum of ``scores`` (without scores: the lowest predicted
        latency). Predictions are rescaled by every measurement on the way. Raises :class:`BudgetError` when no
        candidate measures within the limit.
        """
        limit = self.budget.max_latency_ms
        if limit is None:
            if self.allows(architecture):
                return Repair(architecture, None, ())
            found = self.model.nearest(architecture, self.budget.limits, scores)
            return self._repaired(architecture, found, None)
        limits = self.budget.limits
        exact = {name: value for name, value in limits.items() if name != "latency_ms"}
        candidate: Selected | None = None
        tried: list[LatencyMeasurement] = []
        if all(self.model.cost(name, architecture) <= value for name, value in exact.items()):
            measured = self.verify(architecture)
            if measured.median_ms <= limit:
                return Repair(architecture, measured, ())
            limits["latency_ms"] = self._rescaled(architecture, measured)
            tried.append(measured)
        for _ in range(_REPAIR_MEASUREMENTS if self.model.quick(limits) else 0):
            candidate = self.model.nearest(architecture, limits, scores)
            if candidate is None:
                break
            measured = self.verify(candidate.architecture)
            tried.append(measured)
            if measured.median_ms <= limit:
                return self._repaired(architecture, candidate, measured)
            limits["latency_ms"] = self._rescaled(candidate.architecture, measured)
        return self._repaired(architecture, None, None, tried)

    def _rescaled(self, architecture: Architecture, measured: LatencyMeasurement) -> float:
        """The predicted latency to aim for, after a network of some predicted latency measured above the limit."""
        predicted = self.model.predicted_latency_ms(architecture)
        assert self.budget.max_latency_ms is not None
        return min(predicted * (1 - 1e-3), self.budget.max_latency_ms * predicted / measured.median_ms)

    def _repaired(
        self,
        before: Architecture,
        found: Selected | None,
        measured: LatencyMeasurement | None,
        tried: Sequence[LatencyMeasurement] = (),
    ) -> Repair:
        if found is None:
            self.check()
            best = min((one.median_ms for one in tried), default=None)
            raise BudgetError(
                f"No architecture of {self.model.space.name} that was tried measures within "
                f"{self.budget.max_latency_ms:g} ms in {self.model.networks.runtime.title} on this machine"
                f"{'' if best is None else f' (the quickest of {len(tried)}: {best:.3g} ms)'}; raise --max-latency-ms."
                f"{_again([one.disturbed for one in tried if one.disturbed])}"
            )
        changes = tuple(
            f"{choice.name}: {old} -> {new}"
            for choice, old, new in zip(
                self.model.space.choices, before.answers, found.architecture.answers, strict=True
            )
            if old != new
        )
        return Repair(found.architecture, measured, changes)


def _again(noise: Collection[str]) -> str:
    """A sentence about disturbed measurements; empty where there were none."""
    if not noise:
        return ""
    return (
        f" But other work on this machine disturbed measurements, also when they were repeated ({list(noise)[-1]}): "
        "try again when it is quiet."
    )


def _amount(value: float) -> str:
    """Counts in full, so that they can be typed as a limit; latencies to four digits."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _name(cost: str) -> str:
    return {
        "params": "parameters",
        "flops": "FLOPs",
        "memory_mib": "MiB of memory",
        "latency_ms": "predicted latency in ms",
    }[cost]


__all__ = ["Budget", "BudgetChecker", "Repair"]
