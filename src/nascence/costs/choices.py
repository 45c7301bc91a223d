"""What each answer of a space without cells costs, from networks that differ in one answer or in two."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.costs.groups import PricedChoices, reference, replaced
from nascence.costs.networks import Networks
from nascence.seeding import generator

MAX_JOINT_OPTIONS = 200_000
_SAMPLES = 12
_CROSSINGS = 3
_COUNTED = ("params", "flops")
Floats = NDArray[np.float64]


class ChoicePricing:
    """Prices of a space of independent choices.

    Tried in this order, and kept only if ``params`` and ``flops`` of random architectures come out exactly: every
    answer adds its own amount; or answers also interact two by two, as the widths on both sides of a convolution do,
    and the space is small enough for one group of all architectures. When neither holds, :attr:`exact` is False, and
    there are no prices of these two. Latency is the sum of what each answer adds to the measured reference network; all
    architectures are predicted above zero (:meth:`_above_zero`).
    """

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.space = networks.space

    @property
    def exact(self) -> bool:
        """Whether ``params`` and ``flops`` have prices."""
        return bool(self._found[1])

    @property
    def groups(self) -> list[PricedChoices]:
        """The choices that are priced together: each alone, or all."""
        return self._found[0]

    def prices(self, name: str) -> list[Floats]:
        """Per group the cost [N] of its combinations; the constant is in the first group."""
        if name != "latency_ms":
            return self._found[1][name]
        singles = self.latencies()
        if len(self.groups) == len(singles):
            return singles
        (joint,) = self.groups
        return [_spread(joint, singles)]

    def latencies(self) -> list[Floats]:
        """What each answer adds to the milliseconds of the reference network, per choice; the reference's own are in
        the first."""
        looked_up = self.networks.latency_table
        if looked_up is None:
            return self._measured
        parts = [looked_up.part(choice.name, len(choice.options)) for choice in self.space.choices]
        parts[0] = parts[0] + looked_up.constant
        return parts

    @cached_property
    def _measured(self) -> list[Floats]:
        """Kept, so that a table holds what was predicted from."""
        shapes = [(len(choice.options),) for choice in self.space.choices]
        return self.networks.calmest("single answers", shapes, lambda: self._above_zero(self._singles("latency_ms")))

    @cached_property
    def _found(self) -> tuple[list[PricedChoices], dict[str, list[Floats]]]:
        alone = [PricedChoices.of(self.space, [at]) for at in range(len(self.space.choices))]
        if self.networks.in_pieces or (self.space.size > MAX_JOINT_OPTIONS and not self._may_add_up()):
            return alone, {}
        prices = {name: self._singles(name) for name in _COUNTED}
        if self._reproduces(alone, prices):
            return alone, prices
        if self.space.size <= MAX_JOINT_OPTIONS:
            joint = PricedChoices.of(self.space, range(len(self.space.choices)))
            together = {
                name: [_spread(joint, prices[name]) + self._pairs(name, prices[name], joint)] for name in _COUNTED
            }
            if self._reproduces([joint], together):
                return [joint], together
        return alone, {}

    def _may_add_up(self) -> bool:
        """Whether two architectures cost together what two children of them do that share out their answers: it holds
        for every sum over choices, and a few networks tell what else would take one for every option."""
        for at in range(_CROSSINGS):
            draws = generator(at, "cost-crossing")
            first, second = self.space.sample(draws), self.space.sample(draws)
            child = self.space.crossover(first, second, draws)
            answers = zip(first.answers, second.answers, child.answers, strict=True)
            other = Architecture(self.space.name, tuple(b if c == a else a for a, b, c in answers))
            for name in _COUNTED:
                one, two, three, four = (self.networks.count(name, each) for each in (first, second, child, other))
                if one + two != three + four:
                    return False
        return True

    def _singles(self, name: str) -> list[Floats]:
        """What each answer adds to the reference network, per choice; the reference's cost is in the first."""
        base = reference(self.space)
        changed = [
            [replaced(base, (at,), (option,)) for option in choice.options[1:]]
            for at, choice in enumerate(self.space.choices)
        ]
        wanted = [base, *itertools.chain(*changed)]
        if name == "latency_ms":
            costs = [measured.median_ms for measured in self.networks.measure_all(wanted)]
        else:
            costs = [self.networks.count(name, architecture) for architecture in wanted]
        constant, rest = costs[0], iter(costs[1:])
        parts = [np.array([0.0, *(next(rest) - constant for _ in own)]) for own in changed]
        parts[0] = parts[0] + constant
        return parts

    def _above_zero(self, parts: list[Floats]) -> list[Floats]:
        """``parts`` of a latency as they are, or with smaller savings.

        What answers save one at a time they need not save together, and clocks err: the sum of the quickest answers may
        come to nothing or less. Then the network of these answers is measured too, and all savings shrink alike until
        that is what is predicted for it; to nothing where it takes no less than the reference network.
        """
        constant, least = float(parts[0][0]), float(sum(part.min() for part in parts))
        if least > 0:
            return parts
        answers = [choice.options[int(part.argmin())] for choice, part in zip(self.space.choices, parts, strict=True)]
        (quickest,) = self.networks.measure_all([self.space.architecture(answers)])
        share = max(constant - quickest.median_ms, 0.0) / (constant - least)
        added = [parts[0] - constant, *parts[1:]]
        shrunk = [np.where(part < 0, share * part, part) for part in added]
        return [shrunk[0] + constant, *shrunk[1:]]

    def _pairs(self, name: str, singles: Sequence[Floats], joint: PricedChoices) -> Floats:
        """What every two answers together add beyond their own amounts, for every architecture."""
        total = np.zeros(len(joint.answers))
        start = sum(float(part[0]) for part in singles)
        for one, two in itertools.combinations(range(len(self.space.choices)), 2):
            options = (self.space.choices[one].options, self.space.choices[two].options)
            extra = np.zeros((len(options[0]), len(options[1])))
            for i, j in itertools.product(range(1, len(options[0])), range(1, len(options[1]))):
                cost = self._changed(name, (one, two), (options[0][i], options[1][j]))
                alone = singles[one][i] - singles[one][0] + singles[two][j] - singles[two][0]
                extra[i, j] = cost - start - alone
            total += extra[joint.options[:, one], joint.options[:, two]]
        return total

    def _changed(self, name: str, choices: Sequence[int], answers: Sequence[str]) -> float:
        return self.networks.count(name, replaced(reference(self.space), choices, answers))

    def _reproduces(self, groups: Sequence[PricedChoices], prices: dict[str, list[Floats]]) -> bool:
        samples = [self.space.sample(generator(at, "cost-check")) for at in range(_SAMPLES)]
        return all(
            self.networks.count(name, architecture) == _total(groups, prices[name], architecture)
            for architecture, name in itertools.product(samples, _COUNTED)
        )


def _spread(joint: PricedChoices, singles: Sequence[Floats]) -> Floats:
    """The sum of each choice's amounts, for every combination of a group of all choices."""
    parts = [part[joint.options[:, at]] for at, part in enumerate(singles)]
    return np.sum(parts, axis=0)


def _total(groups: Sequence[PricedChoices], prices: Sequence[Floats], architecture: Architecture) -> float:
    return sum(float(part[group.position(architecture)]) for group, part in zip(groups, prices, strict=True))


__all__ = ["MAX_JOINT_OPTIONS", "ChoicePricing"]
