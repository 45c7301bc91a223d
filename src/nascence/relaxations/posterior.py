"""A variational posterior over architectures, after a supernet was trained on uniform paths (NESS/NESBS, Shu et al.,
UAI 2022, arXiv 2109.02533)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.relaxations.base import Options, Relaxation, participants
from nascence.relaxations.gumbel import gumbel_softmax
from nascence.schedules import Moment
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import MixingWeights


@final
class VariationalPosterior(Relaxation):
    """p(A) = prod over rows of Cat(softmax(alpha_r)), alpha zero at first: Gumbel-softmax samples, straight through.

    While the architecture is frozen, a step's architecture is drawn uniformly instead. A new stage begins with alpha
    zero again; what the stage before ended with is kept in :attr:`finished`, so that several likelihoods can be tried
    on the same weights. ``options``: those that take part, per group; ``temperature``: of the Gumbel samples.
    """

    def __init__(self, space: RelaxableSpace, options: Options = None, *, temperature: float = 1.0) -> None:
        self.space, self.temperature = space, temperature
        possible = participants(space)
        self.masks: dict[str, Tensor] = {}
        """Booleans [R, O]: the options that take part."""
        for group in space.groups:
            taking = options[group.name] if isinstance(options, Mapping) else options or possible[group.name]
            column = torch.tensor([name in taking for name in group.options])
            self.masks[group.name] = group.allowed() & column
        self._alpha = self._zeros()
        self.finished: list[dict[str, Tensor]] = []
        self.frozen, self._stage = True, 0

    def _zeros(self) -> dict[str, Tensor]:
        return {name: torch.zeros(mask.shape).requires_grad_() for name, mask in self.masks.items()}

    @property
    def parameters(self) -> dict[str, Tensor]:
        return dict(self._alpha)

    def begin(self, moment: Moment) -> None:
        self.frozen = moment.frozen
        if moment.stage > self._stage:
            if self._stage > 0:
                self.finished.append({name: value.detach().clone() for name, value in self.logits().items()})
                self._alpha = self._zeros()
            self._stage = moment.stage

    def logits(self) -> dict[str, Tensor]:
        return {name: value.masked_fill(~self.masks[name], -torch.inf) for name, value in self._alpha.items()}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        logits = self.logits()
        if self.frozen:
            logits = {
                name: torch.zeros_like(v).masked_fill(~self.masks[name], -torch.inf) for name, v in logits.items()
            }
        return {name: gumbel_softmax(value, generator, self.temperature) for name, value in logits.items()}

    def mean(self) -> MixingWeights:
        return {name: value.detach().softmax(-1) for name, value in self.logits().items()}

    def scores(self) -> dict[str, Tensor]:
        return {name: value.detach().log_softmax(-1) for name, value in self.logits().items()}

    def observed(self) -> dict[str, float]:
        """``posterior_entropy``: the mean over rows of a row's entropy, as a share of that of equal probabilities."""
        return {"posterior_entropy": entropy_share(self.logits())}

    def posteriors(self) -> list[dict[str, Tensor]]:
        """The logits that every stage after the first ended with, the present one last."""
        return [*self.finished, {name: value.detach().clone() for name, value in self.logits().items()}]

    def state_dict(self) -> dict[str, Any]:
        return {
            "alpha": {name: value.detach().clone() for name, value in self._alpha.items()},
            "finished": [{name: value.clone() for name, value in each.items()} for each in self.finished],
            "stage": self._stage,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, value in self._alpha.items():
                value.copy_(state["alpha"][name])
        self.finished = [{name: value.clone() for name, value in each.items()} for each in state["finished"]]
        self._stage = state["stage"]


def entropy(logits: Mapping[str, Tensor]) -> Tensor:
    """Of the product of all rows' distributions, in nats; differentiable in the logits (minus infinity: impossible)."""
    total = []
    for value in logits.values():
        log_p = value.log_softmax(-1)
        total.append(-(log_p.exp() * log_p.masked_fill(~value.isfinite(), 0.0)).sum())
    return torch.stack(total).sum()


def entropy_share(logits: Mapping[str, Tensor]) -> float:
    """Mean over the rows that have a choice of H(row) / log(number of options), in [0, 1]."""
    shares = []
    for value in logits.values():
        for row in value.detach().double():
            options = int(row.isfinite().sum())
            if options > 1:
                shares.append(float(torch.special.entr(row.softmax(-1)).sum()) / math.log(options))
    return sum(shares) / len(shares) if shares else 0.0


__all__ = ["VariationalPosterior", "entropy", "entropy_share"]
