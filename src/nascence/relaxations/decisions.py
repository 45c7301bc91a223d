"""A product distribution over the architectures of a cell space, and Gumbel-softmax samples of it.

Two kinds of decision: one categorical over the operations of every edge and, where a node keeps only some of its edges,
one over the sets of edges it can keep. A straight-through sample is one-hot in the forward pass and has the gradient of
softmax((logits + gumbel noise) / temperature) (Jang et al., ICLR 2017; Maddison et al., ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.relaxations.gumbel import gumbel_softmax
from nascence.relaxations.topology import Topology
from nascence.spaces import CellSpace
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup


@final
@dataclass(frozen=True)
class Decisions:
    """The decisions of ``space`` over ``allowed`` operations (names); logits are a dictionary of tensors:

    ``<kind>`` [E, A], A allowed operations; ``<kind>/<node>/inputs`` [S], the sets of edges that node can keep.
    """

    space: CellSpace
    allowed: tuple[str, ...]

    def zeros(self) -> dict[str, Tensor]:
        """Logits of the uniform distribution."""
        logits = {kind: torch.zeros(len(self.space.shape.edges), len(self.allowed)) for kind in self.space.kinds}
        for name, sets in self.edge_sets().items():
            logits[name] = torch.zeros(len(sets))
        return logits

    def edge_sets(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """For every node that keeps some of its edges, the sets of edges it can keep, in lexicographic order."""
        topology = Topology(self.space)
        return topology.sets if topology.fixed else {}

    def straight_through(
        self, logits: dict[str, Tensor], generator: torch.Generator, temperature: float = 1.0, hard: bool = True
    ) -> dict[str, Tensor]:
        """A sample's mixing weights [E, O] per kind of cell, differentiable in ``logits``; soft if not ``hard``."""
        samples = {name: gumbel_softmax(value, generator, temperature, hard) for name, value in logits.items()}
        return self.mixing(samples)

    def mixing(self, samples: dict[str, Tensor]) -> dict[str, Tensor]:
        """Mixing weights [E, O] from one distribution (or one-hot sample) per decision; an edge's operations are
        weighted by the probability that its node keeps it."""
        columns = [self.space.operations.index(name) for name in self.allowed]
        gates_of = Topology(self.space).edge_weights(samples) if self.edge_sets() else {}
        weights = {}
        for kind in self.space.kinds:
            operations = samples[kind]
            gates = gates_of[kind] if gates_of else operations.new_ones(len(self.space.shape.edges))
            full = operations.new_zeros(len(gates), len(self.space.operations))
            weights[kind] = full.index_copy(1, torch.tensor(columns), operations * gates[:, None])
        return weights

    def scores(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """Scores for :meth:`nascence.costs.budget.BudgetChecker.best`: their largest sum is the most probable
        architecture. Operations that are not allowed get minus infinity."""
        scores: dict[str, Any] = {}
        for name, value in logits.items():
            if name in self.space.kinds:
                full = value.new_full((len(value), len(self.space.operations)), -torch.inf)
                full[:, [self.space.operations.index(allowed) for allowed in self.allowed]] = value.log_softmax(-1)
                scores[name] = full
            else:
                scores[name] = value.log_softmax(-1)
        return scores


@final
@dataclass(frozen=True)
class RowDecisions:
    """The decisions of any relaxable space: one categorical over the options of every row of its choice groups.

    ``options``: per group those that take part. Logits are ``<group>`` [R, O], minus infinity for an option that takes
    no part, or that its row cannot have.
    """

    space: RelaxableSpace
    options: Mapping[str, tuple[str, ...]]

    def zeros(self) -> dict[str, Tensor]:
        """Logits of the uniform distribution."""
        logits = {}
        for group in self.space.groups:
            taking = torch.tensor([name in self.options[group.name] for name in group.options])
            logits[group.name] = torch.zeros(group.shape).masked_fill(~(group.allowed() & taking), -torch.inf)
        return logits

    def straight_through(
        self, logits: dict[str, Tensor], generator: torch.Generator, temperature: float = 1.0, hard: bool = True
    ) -> dict[str, Tensor]:
        """A sample's mixing weights [R, O] per group; as of :class:`Decisions`."""
        return {name: gumbel_softmax(value, generator, temperature, hard) for name, value in logits.items()}

    def scores(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        """As of :class:`Decisions`."""
        return self.space.choice_scores({name: value.log_softmax(-1) for name, value in logits.items()})


def excludable(space: RelaxableSpace) -> list[str]:
    """The options that can be left out: of cells all, elsewhere those of the role ``operation``."""
    return list(dict.fromkeys(name for group in _excludable(space) for name in group.options))


def decisions_without(space: RelaxableSpace, excluded: Sequence[str] = ()) -> Decisions | RowDecisions:
    """The decisions of ``space``, without the ``excluded`` ones of what is :func:`excludable`: over edges and sets of
    edges of cells, else over rows. Raises :class:`SettingError` where an edge or a row keeps no option."""
    cells = space.as_cells
    if cells is not None:
        possible = {option for choice in space.choices for option in choice.options}
        allowed = tuple(name for name in cells.operations if name in possible and name not in excluded)
        if allowed:
            return Decisions(cells, allowed)
    else:
        options = {group.name: group.options for group in space.groups}
        for group in _excludable(space):
            options[group.name] = tuple(name for name in group.options if name not in excluded)
        rows = RowDecisions(space, options)
        if all(bool(value.isfinite().any(-1).all()) for value in rows.zeros().values()):
            return rows
    raise SettingError(f"exclude leaves no operation of {space.name}; keep one or more.")


def _excludable(space: RelaxableSpace) -> list[ChoiceGroup]:
    return [group for group in space.groups if space.as_cells is not None or group.role == "operation"]


__all__ = ["Decisions", "RowDecisions", "decisions_without", "excludable"]
