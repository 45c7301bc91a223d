"""The sandwich rule of slimmable networks (Yu & Huang, ICCV 2019): while weights are trained alone, a step runs the
widest, the narrowest and one random width, so that shared channels learn to serve them all."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.relaxations.around import Around
from nascence.relaxations.base import Relaxation
from nascence.schedules import Moment
from nascence.supernets.groups import MixingWeights


@final
class Sandwich(Around):
    """``inner``, but in epochs in which the architecture takes no steps, each step runs three networks: all rows of the
    role ``width`` at their last option, all at their first, and each at a random one (options go from narrow to wide).
    The other groups are as ``inner`` samples them, the same in all three. ``always``: in all epochs, and with what
    ``inner`` samples in the place of random widths."""

    def __init__(self, inner: Relaxation, *, always: bool = False) -> None:
        self.inner, self.space, self.always = inner, inner.space, always
        self._warming = False

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        if not self._warming and not self.always:
            return self.inner.samples(generator)
        whole = dict(self.inner.sample(generator))
        groups = [group for group in self.space.groups if group.role == "width"]
        drawn: list[MixingWeights] = []
        for which in ("widest", "narrowest", "own" if self.always else "random"):
            widths: dict[str, Tensor] = {}
            if which == "own":
                drawn.append(whole)
                continue
            for group in groups:
                rows, options = group.shape
                if which == "random":
                    chosen_R = torch.randint(options, (rows,), generator=generator)
                else:
                    chosen_R = torch.full((rows,), options - 1 if which == "widest" else 0)
                one_hot = torch.nn.functional.one_hot(chosen_R, options)
                widths[group.name] = one_hot.to(whole[group.name].dtype)
            drawn.append({**whole, **widths})
        return drawn

    def begin(self, moment: Moment) -> None:
        self._warming = moment.frozen
        self.inner.begin(moment)

    def derive(self, budget: BudgetChecker) -> Architecture:
        return self.inner.derive(budget)


__all__ = ["Sandwich"]
