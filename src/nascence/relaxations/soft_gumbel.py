"""Gumbel-softmax over choice groups, soft or straight through, with a warm-up of its own (Wan et al., FBNetV2, CVPR
2020, equations 1 and 4)."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor

from nascence.relaxations.base import Options
from nascence.relaxations.gumbel import gumbel_softmax
from nascence.relaxations.tempered import TemperedRelaxation
from nascence.schedules import Constant, Moment, Schedule
from nascence.spaces.relaxable import RelaxableSpace

Draws = Literal["soft", "hard"]
WarmUp = Literal["drawn", "uniform", "single"]


@final
class SoftGumbel(TemperedRelaxation):
    """w_r = softmax((theta_r + g_r) / tau), all logits equal at first, one draw g for everything a step does.

    ``draws``: ``soft``: these weights, so that every option of an ordinary mixture runs and masks are sums of masks;
    ``hard``: one-hot at the largest, with the gradient of the soft ones. ``warm_up``: while the architecture does not
    move: ``drawn`` as later, ``uniform`` (all options alike, no noise), or ``single``: one option of every row, each
    with the same chance, so that weights learn real widths instead of channels that are partly on.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        options: Options = None,
        temperature: Schedule = Constant(1.0),
        *,
        draws: Draws = "soft",
        warm_up: WarmUp = "drawn",
        seed: int = 0,
    ) -> None:
        super().__init__(space, options, temperature, seed=seed, scale=0.0)
        self.draws, self.warm_up, self._frozen = draws, warm_up, False

    def begin(self, moment: Moment) -> None:
        super().begin(moment)
        self._frozen = moment.frozen

    def row_sample(self, logits_RA: Tensor, kept_RA: Tensor, generator: torch.Generator) -> Tensor:
        if self._frozen and self.warm_up == "uniform":
            return kept_RA / kept_RA.sum(-1, keepdim=True)
        if self._frozen and self.warm_up == "single":
            equal = torch.zeros_like(logits_RA).masked_fill(~kept_RA, -torch.inf)
            return gumbel_softmax(equal, generator)
        masked = logits_RA.masked_fill(~kept_RA, -torch.inf)
        return gumbel_softmax(masked, generator, self.temperature, hard=self.draws == "hard")


__all__ = ["Draws", "SoftGumbel", "WarmUp"]
