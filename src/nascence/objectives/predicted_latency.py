"""A differentiable latency beside the loss (Xu et al., "Latency-Aware Differentiable Neural Architecture Search", arXiv
2001.06392). The paper's form, loss + balance x latency, is known; how mixing weights become the predictor's input is a
reconstruction."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.costs.latency_regressor import LatencyPredictor
from nascence.objectives.base import Evaluated, Objective
from nascence.relaxations.base import participants
from nascence.schedules import Schedule
from nascence.seeding import generator
from nascence.spaces import CellSpace
from nascence.supernets.groups import MixingWeights, on_cpu

Codes = Literal["sampled", "soft"]
_NOTHING = 1e-6


@final
class PredictedLatency(Objective):
    """LAT / mean: the predicted latency of what the mixing weights stand for, in units of that of random architectures;
    with ``target_ms`` T, LAT / T where the architecture derived at the moment takes longer than T, else 0. (Not where
    LAT does: mixing weights may be as quick as the target on average, and what is derived from them the quickest.)

    Priced are only the edges that the architecture derived at the moment keeps, with the mixing weights of operations
    that an architecture can have, which are made to add up to 1 on every edge (otherwise latency would fall by raising
    ``none`` where derivation drops it). ``codes``: ``sampled``: the mean over ``draws`` architectures, one operation an
    edge drawn with these weights; its gradient passes straight through to the weights. ``soft``: the weights
    themselves: exact for a latency that adds up, and where a regressor was fitted on single architectures alone, not
    what it is at home at.
    """

    name: ClassVar[str] = "latency"

    def __init__(
        self,
        predictor: LatencyPredictor,
        schedule: Schedule,
        budget: BudgetChecker,
        *,
        codes: Codes = "sampled",
        draws: int = 4,
        target_ms: float | None = None,
        seed: int = 0,
    ) -> None:
        self.predictor, self.schedule, self.budget = predictor, schedule, budget
        self.codes, self.draws, self.target_ms, self.seed = codes, draws, target_ms, seed
        space = predictor.space
        possible = participants(space)[space.kinds[0]]
        self._possible = torch.tensor([name in possible for name in space.operations])

    def __str__(self) -> str:
        return (
            f"PredictedLatency({self.schedule}, {self.predictor}, {self.codes}, draws={self.draws}, "
            f"target_ms={self.target_ms})"
        )

    def term(self, evaluated: Evaluated) -> Tensor:
        derived = evaluated.relaxation.derive(self.budget)
        if self.target_ms is not None and self.predictor.predict(derived) <= self.target_ms:
            return torch.zeros(())
        kept = self._kept(derived)
        shares = {kind: self._shares(value) for kind, value in on_cpu(evaluated.weights).items()}
        if self.codes != "sampled":
            return self._latency({kind: value * kept[kind].to(value) for kind, value in shares.items()})
        random = generator(self.seed, "latency", evaluated.moment.epoch, evaluated.step)
        drawn = [
            {kind: straight_through(value, random) * kept[kind].to(value) for kind, value in shares.items()}
            for _ in range(self.draws)
        ]
        return torch.stack([self._latency(weights) for weights in drawn]).mean()

    def _latency(self, weights: MixingWeights) -> Tensor:
        milliseconds = self.predictor.expected(weights)
        return milliseconds / (self.target_ms or self.predictor.mean_ms)

    def _shares(self, weights_EO: Tensor) -> Tensor:
        possible = weights_EO * self._possible.to(weights_EO)
        total = possible.sum(-1, keepdim=True)  # zero where a sampling relaxation drew what no architecture can have
        return torch.where(total > _NOTHING, possible / total.clamp_min(_NOTHING), possible)

    def _kept(self, architecture: Architecture) -> dict[str, Tensor]:
        """Per kind of cell [E, 1], 1 for edges that an architecture keeps."""
        space: CellSpace = self.predictor.space
        chosen = space.edge_operations(architecture)
        edges = range(len(space.shape.edges))
        return {kind: torch.tensor([[float(at in chosen[kind])] for at in edges]) for kind in space.kinds}

    def observed(self, architecture: Architecture) -> dict[str, float]:
        return {"predicted_latency_ms": self.predictor.predict(architecture)}

    def findings(self, architecture: Architecture) -> dict[str, Any]:
        return {"predicted_latency": {"ms": self.predictor.predict(architecture), **self.predictor.report()}}


def straight_through(shares_EO: Tensor, random: torch.Generator) -> Tensor:
    """One operation an edge, drawn with the given probabilities [E, O], as ones and zeros whose gradient is that of the
    probabilities: exact on average for a latency that adds up."""
    shares = shares_EO.detach().cpu()
    chosen = torch.multinomial(shares.clamp_min(0) + (shares.sum(-1, keepdim=True) <= 0), 1, generator=random)
    hard = torch.zeros_like(shares).scatter_(1, chosen, 1.0) * (shares.sum(-1, keepdim=True) > 0)
    return hard.to(shares_EO) + (shares_EO - shares_EO.detach())


__all__ = ["Codes", "PredictedLatency", "straight_through"]
