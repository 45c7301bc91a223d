"""K operations an edge, drawn without replacement: K single-path networks that share no operation on any edge.

MSG-DAS (Tan et al., arXiv 2107.04324) names a differentiable Gumbel-TopK sampler of mutually exclusive sub-graphs; its
formulas could not be read, and the straight-through weights are a reconstruction. Adding Gumbel noise to the
log-probabilities and taking the K largest is sampling without replacement (Plackett-Luce; Kool et al., ICML 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.relaxations.base import Options
from nascence.relaxations.gumbel import gumbel_noise, gumbel_softmax, one_hot_straight_through
from nascence.relaxations.tempered import TemperedRelaxation
from nascence.schedules import Linear, Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup, MixingWeights


def gumbel_top_k(
    logits_EO: Tensor, k: int, generator: torch.Generator, temperature: float = 1.0, permute: bool = False
) -> Tensor:
    """Weights [K, E, O] of K sub-graphs: one-hot rows, on each edge all different.

    With s = log_softmax(logits) + Gumbel noise, rank r takes the r-th largest s; its gradient is that of
    softmax(s / temperature) over the operations that ranks before it left, so that rank 1 is a Gumbel-softmax sample
    (GDAS) and raising one operation's logit lowers the chance of the others at every rank. An operation of logit minus
    infinity is never drawn. ``permute`` shuffles the ranks on every edge by itself, so that the sub-graphs are alike.

    Raises :class:`SettingError` when some edge has fewer than K operations.
    """
    least = int((logits_EO > -torch.inf).sum(-1).min())
    if not 1 <= k <= least:
        raise SettingError(f"From {least} operations an edge 1 to {least} sub-graphs can be drawn, not {k}.")
    scores_EO = logits_EO.log_softmax(-1) + gumbel_noise(logits_EO, generator)
    taken_EO = torch.zeros_like(scores_EO, dtype=torch.bool)
    ranks = []
    for _ in range(k):
        soft_EO = (scores_EO / temperature).masked_fill(taken_EO, -torch.inf).softmax(-1)
        ranks.append(one_hot_straight_through(soft_EO))
        taken_EO = taken_EO | (ranks[-1].detach() == 1)
    weights_KEO = torch.stack(ranks)
    if not permute:
        return weights_KEO
    order_KE = torch.rand(k, *logits_EO.shape[:-1], generator=generator).argsort(0)
    return weights_KEO.take_along_dim(order_KE[..., None].to(weights_KEO.device), 0)


@final
class GumbelTopK(TemperedRelaxation):
    """``sub_graphs`` K single-path networks per step, mutually exclusive on every edge (:func:`gumbel_top_k`).

    A step runs them one after the other and averages their losses; with K = 1 this is GDAS. ``temperature``: over the
    search. Raises :class:`SettingError` when fewer than K operations take part.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        options: Options = None,
        sub_graphs: int = 2,
        temperature: Schedule = Linear(10.0, 0.1),
        *,
        permute: bool = False,
        groups: Sequence[ChoiceGroup] | None = None,
        seed: int = 0,
        scale: float = 1e-3,
    ) -> None:
        super().__init__(space, options, temperature, groups=groups, seed=seed, scale=scale)
        most = min(int(kept.sum(-1).min()) for kept in self.kept.values())
        if not 1 <= sub_graphs <= most:
            raise SettingError(
                f"From the {most} operations that take part on {space.name}, 1 to "
                f"{most} mutually exclusive sub-graphs can be drawn, not {sub_graphs}."
            )
        self.sub_graphs, self.permute = sub_graphs, permute

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        drawn = {}
        for kind, logits_EA in self._logits.items():
            masked_EA = logits_EA.masked_fill(~self.kept[kind], -torch.inf)
            drawn[kind] = gumbel_top_k(masked_EA, self.sub_graphs, generator, self.temperature, self.permute)
        return [
            {kind: self.spread(kind, weights_KEA[rank]) for kind, weights_KEA in drawn.items()}
            for rank in range(self.sub_graphs)
        ]

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return gumbel_softmax(logits_EA.masked_fill(~kept_EA, -torch.inf), generator, self.temperature)


__all__ = ["GumbelTopK", "gumbel_top_k"]
