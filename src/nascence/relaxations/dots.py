"""Operations first, topology second (Gu et al., DOTS, CVPR 2021, arXiv 2010.00969)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.operations import NormConfig, build_operation
from nascence.relaxations.base import Relaxation
from nascence.relaxations.topology import Topology, grouped_softmax
from nascence.schedules import Exponential, Moment, Schedule
from nascence.seeding import generator as seeded_generator
from nascence.spaces import CellSpace
from nascence.supernets.groups import MixingWeights

_NOT_KEPT = 1e3
"""How far behind operations stand that the first stage dropped: chosen only where a budget leaves nothing else."""


@final
class DecoupledTopology(Relaxation):
    """The first stage of a search learns operations, all later ones which edges to keep.

    First stage: a softmax over each of two groups, operations without parameters and those with (the paper's
    topology-related and topology-agnostic ones); an edge's output is the sum of both mixtures. From the second stage
    on, every edge has the best operation of each group, mixed by a softmax over a balance b [E, 2] at the temperature
    ``balance`` * T, and edge (i, j) has the weight gamma_ij of :mod:`nascence.relaxations.topology`: with a fixed
    number of edges per node the plain sum, with a flexible one divided by the number (both as published).

    ``temperature`` T over a stage; 1 while the architecture is frozen. ``operations``: those that take part.
    """

    def __init__(
        self,
        space: CellSpace,
        operations: Sequence[str],
        temperature: Schedule = Exponential(10.0, 0.02, over="stage"),
        *,
        balance: float = 1e-3,
        seed: int = 0,
        scale: float = 1e-3,
    ) -> None:
        self.space, self.operations = space, tuple(operations)
        self.topology = Topology(space)
        self.groups = groups_of(self.operations)
        self.temperature = 1.0
        self._schedule, self._balance_factor = temperature, balance
        shape = (len(space.shape.edges), len(self.operations))
        self._logits = {
            kind: (scale * torch.randn(shape, generator=seeded_generator(seed, "logits", kind))).requires_grad_()
            for kind in space.kinds
        }
        self._columns = torch.tensor([space.operations.index(name) for name in self.operations])
        self.kept: dict[str, Tensor] = {}
        """From the second stage on, [E, G] per kind: the position among ``operations`` of each group's best."""
        self._balance: dict[str, Tensor] = {}
        self._beta: dict[str, Tensor] = {}

    @property
    def parameters(self) -> dict[str, Tensor]:
        if not self.kept:
            return dict(self._logits)
        return {**{f"{kind}/balance": value for kind, value in self._balance.items()}, **self._beta}

    def begin(self, moment: Moment) -> None:
        if moment.stage > 0 and not self.kept:
            self._choose({kind: self._best(value.detach()) for kind, value in self._logits.items()})
        self.temperature = 1.0 if moment.frozen or not self.kept else self._schedule(moment)

    def _best(self, logits_EA: Tensor) -> Tensor:
        best = [torch.tensor(group)[logits_EA[:, list(group)].argmax(1)] for group in self.groups]
        return torch.stack(best, dim=1)

    def _choose(self, kept: Mapping[str, Tensor]) -> None:
        self.kept = dict(kept)
        self._balance = {kind: torch.zeros(value.shape).requires_grad_() for kind, value in self.kept.items()}
        self._beta = {name: value.requires_grad_() for name, value in self.topology.zeros().items()}

    def distributions(self) -> dict[str, Tensor]:
        """q [S_j] per variable of the topology, at the present temperature."""
        return self.topology.probabilities(self._beta or self.topology.zeros(), self.temperature)

    def sample(self, generator: torch.Generator) -> MixingWeights:
        if not self.kept:
            return {kind: self._spread(grouped_softmax(value, self.groups)) for kind, value in self._logits.items()}
        gates = self.topology.edge_weights(self.distributions(), average=not self.topology.fixed)
        weights = {}
        for kind, places in self.kept.items():
            shares = (self._balance[kind] / (self._balance_factor * self.temperature)).softmax(1)
            among = shares.new_zeros(len(places), len(self.operations)).scatter(1, places, shares)
            weights[kind] = self._spread(among * gates[kind][:, None])
        return weights

    def mean(self) -> MixingWeights:
        with torch.no_grad():
            return self.sample(torch.Generator())

    def logits(self) -> dict[str, Tensor]:
        if not self.kept:
            return dict(self._logits)
        return {
            kind: value.new_full((len(value), len(self.operations)), -torch.inf).scatter(1, self.kept[kind], value)
            for kind, value in self._balance.items()
        }

    def scores(self) -> dict[str, Tensor]:
        """Log-probabilities of the operations, and from the second stage on of the sets of edges."""
        found = {}
        for kind, value in self._logits.items():
            rows = value.detach().log_softmax(-1)
            if self.kept:
                rows = (rows - _NOT_KEPT).scatter(1, self.kept[kind], self._balance[kind].detach().log_softmax(1))
            found[kind] = rows.new_full((len(rows), len(self.topology.space.operations)), -torch.inf)
            found[kind][:, self._columns] = rows
        return {**found, **self.topology.log_probabilities(self._beta)} if self.kept else found

    def derive(self, budget: BudgetChecker) -> Architecture:
        """In the first stage as DARTS does; then the most probable set of every node's edges, and on each the operation
        of the larger balance, ``none`` aside."""
        scores = self.scores()
        if not self.kept:
            return budget.best(scores)
        operations = {kind: scores[kind] for kind in self.topology.space.kinds}
        return self.topology.derive({name: scores[name] for name in self.topology.sets}, operations, budget)

    def optimizer_options(self, name: str) -> dict[str, Any]:
        return {"betas": (0.9, 0.999)} if self.kept else {}

    def observed(self) -> dict[str, float]:
        if not self.kept:
            return {}
        q = {name: value.detach() for name, value in self.distributions().items()}
        return {"temperature": self.temperature, "topology_entropy": self.topology.entropy(q)}

    def _spread(self, weights_EA: Tensor) -> Tensor:
        full = weights_EA.new_zeros(len(weights_EA), len(self.topology.space.operations))
        return full.index_copy(1, self._columns, weights_EA)

    def state_dict(self) -> dict[str, Any]:
        values = {"logits": self._logits, "kept": self.kept, "balance": self._balance, "beta": self._beta}
        return {key: {name: v.detach().clone() for name, v in value.items()} for key, value in values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not state["kept"]:
            self.kept, self._balance, self._beta = {}, {}, {}
        elif not self.kept:
            self._choose(state["kept"])
        self.kept = {kind: value.clone() for kind, value in state["kept"].items()}
        with torch.no_grad():
            for key, values in (("logits", self._logits), ("balance", self._balance), ("beta", self._beta)):
                for name, value in values.items():
                    value.copy_(state[key][name])


def groups_of(operations: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Positions of operations without parameters (none, pooling, skip), and of those with; no group is empty."""
    learns = [
        any(True for _ in build_operation(name, 2, 2, 1, NormConfig(affine=False)).parameters()) for name in operations
    ]
    groups = [tuple(at for at, value in enumerate(learns) if value == which) for which in (False, True)]
    return tuple(group for group in groups if group)


__all__ = ["DecoupledTopology", "groups_of"]
