"""Operations and topology learned together (Huang et al., *Explicitly Learning Topology*, arXiv 2011.09300)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.relaxations.around import Around
from nascence.relaxations.base import Relaxation
from nascence.relaxations.topology import Topology
from nascence.relaxations.validity import is_valid
from nascence.schedules import Exponential, Moment, Schedule
from nascence.spaces.cells import cell_space
from nascence.supernets.groups import MixingWeights


@final
class ExplicitTopology(Around):
    """Any relaxation of the operations, times the probability gamma_ij that edge (i, j) is there.

    Every node has a distribution over its sets of edges (:mod:`nascence.relaxations.topology`; also the empty one where
    the space leaves the number open), whose logits start at zero. ``inner`` relaxes the operations and must leave
    ``none`` out: the topology carries "no edge". ``temperature``: of the sets; ``learning_rate``: of Adam on their
    logits, which do not decay. The paper's formulas could not be read: all but the idea is a reconstruction.
    """

    def __init__(
        self,
        inner: Relaxation,
        temperature: Schedule = Exponential(5.0, 0.1),
        *,
        learning_rate: float = 3e-3,
    ) -> None:
        self.inner, self.space = inner, inner.space
        self.topology = Topology(cell_space(inner.space, "explicit-topology"), empty=True)
        self.learning_rate = learning_rate
        self._schedule = temperature
        self.temperature = temperature(Moment(0, 1))
        self._beta = {name: value.requires_grad_() for name, value in self.topology.zeros().items()}

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {**self.inner.parameters, **self._beta}

    def begin(self, moment: Moment) -> None:
        self.inner.begin(moment)
        self.temperature = self._schedule(moment)

    def distributions(self) -> dict[str, Tensor]:
        """q [S_j] per variable, at the present temperature."""
        return self.topology.probabilities(self._beta, self.temperature)

    def changed(self, weights: MixingWeights) -> MixingWeights:
        gates = self.topology.edge_weights(self.distributions())
        return {kind: value * gates[kind][:, None] for kind, value in weights.items()}

    def scores(self) -> dict[str, Tensor]:
        return {**self.inner.scores(), **self.topology.log_probabilities(self._beta)}

    def derive(self, budget: BudgetChecker) -> Architecture:
        """The most probable topology that computes something with every part of it, and the best operation on each of
        its edges."""
        scores = self.scores()
        operations = {kind: scores[kind] for kind in self.topology.space.kinds}
        log_q = {name: scores[name] for name in self.topology.sets}
        return self.topology.derive(log_q, operations, budget, lambda kept: is_valid(self.topology, kept))

    def optimizer_options(self, name: str) -> dict[str, Any]:
        if name in self._beta:
            return {"lr": self.learning_rate, "weight_decay": 0.0}
        return self.inner.optimizer_options(name)

    def observed(self) -> dict[str, float]:
        q = {name: value.detach() for name, value in self.distributions().items()}
        mine = {"topology_temperature": self.temperature, "topology_entropy": self.topology.entropy(q)}
        return {**self.inner.observed(), **mine}

    def state_dict(self) -> dict[str, Any]:
        beta = {name: value.detach().clone() for name, value in self._beta.items()}
        return {"inner": self.inner.state_dict(), "beta": beta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"])
        with torch.no_grad():
            for name, value in self._beta.items():
                value.copy_(state["beta"][name])


__all__ = ["ExplicitTopology"]
