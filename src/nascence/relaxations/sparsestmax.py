"""Sparsestmax: probabilities with ever more exact zeros, from sparsemax to one-hot (Shao et al., SSN, CVPR 2019, arXiv
1903.03793), in which the Trilevel NAS of Wu et al. (arXiv 2101.06658) relaxes paths and operations.

    p_0 = sparsemax(z),  the point of the simplex nearest to z (Martins & Astudillo, ICML 2016)
    u   = the centre of the face that p_0 lies in;  r'^2 = r^2 - |u - u_0|^2, u_0 the simplex' centre
    p_0 where |p_0 - u| >= r' or p_0 is one-hot;  else p_1 = u + r' (p_0 - u) / |p_0 - u|
    p_1 where no entry is negative;  else once more from sparsemax(p_1), with r' and the centre of its face

so that the result is r from the centre of the simplex at least, r^2 >= (K - 1) / K forces it to be one-hot, and the
order of z is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from nascence.relaxations.base import LogitRelaxation, Options
from nascence.schedules import Constant, Moment, Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup

_NOTHING = 1e-12


def sparsemax(z: Tensor) -> Tensor:
    """The point of the simplex nearest to ``z`` in the last dimension; entries of minus infinity become zero."""
    ordered = z.sort(-1, descending=True).values
    finite = ordered.isfinite()
    sums = ordered.masked_fill(~finite, 0.0).cumsum(-1)
    count = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    support = (finite & (1 + count * ordered > sums)).sum(-1, keepdim=True)
    threshold = (sums.gather(-1, support - 1) - 1) / support.to(z.dtype)
    return (z - threshold).clamp_min(0.0)


def sparsestmax(z: Tensor, radius: float) -> Tensor:
    """Probabilities over the last dimension, at distance ``radius`` from the centre of the simplex at least, where they
    are not one-hot. Equal entries stay equal: nothing says which of them should go. Minus infinity stands for entries
    that take no part, of the simplex neither."""
    given = z.dtype
    z = z.double()  # entries that hardly differ are pushed far apart, and their rounding with them
    taking = z.isfinite()
    p = sparsemax(z)
    centre = taking.to(z) / taking.sum(-1, keepdim=True)
    left = torch.full_like(centre[..., :1], float(radius) ** 2)  # r'^2
    open_rows = torch.ones_like(left, dtype=torch.bool)
    for _ in range(z.shape[-1]):
        face = (p > 0).detach()
        middle = face.to(z) / face.sum(-1, keepdim=True)
        left = torch.where(open_rows, (left - (middle - centre).square().sum(-1, keepdim=True)).clamp_min(0.0), left)
        centre = torch.where(open_rows, middle, centre)
        away = p - middle
        square = away.square().sum(-1, keepdim=True)
        pushed_rows = open_rows & (face.sum(-1, keepdim=True) > 1) & (square < left) & (square > _NOTHING)
        if not bool(pushed_rows.any()):
            break
        pushed = middle + left.sqrt() * away / square.clamp_min(_NOTHING).sqrt()
        negative = ((pushed < 0) & face).any(-1, keepdim=True)
        again = sparsemax(pushed.masked_fill(~face, -torch.inf))
        p = torch.where(pushed_rows, torch.where(negative, again, pushed * face.to(z)), p)
        open_rows = pushed_rows & negative
    return p.to(given)


@final
class Sparsestmax(LogitRelaxation):
    """:func:`sparsestmax` of every row. ``radius``: over the search, from 0 (sparsemax) to 1 (one-hot)."""

    def __init__(
        self,
        space: RelaxableSpace,
        options: Options = None,
        radius: Schedule = Constant(0.0),
        *,
        groups: Sequence[ChoiceGroup] | None = None,
        seed: int = 0,
        scale: float = 1e-3,
    ) -> None:
        super().__init__(space, options, groups=groups, seed=seed, scale=scale)
        self._schedule = radius
        self.radius = radius(Moment(0, 1))

    def begin(self, moment: Moment) -> None:
        self.radius = self._schedule(moment)

    def observed(self) -> dict[str, float]:
        """``radius``, and the share of entries that are exactly zero."""
        zeros = [(value == 0).float().mean() for value in self.mean().values()]
        return {"radius": self.radius, "zeros": float(torch.stack(zeros).mean())}

    def row_sample(self, logits_RA: Tensor, kept_RA: Tensor, generator: torch.Generator) -> Tensor:
        return self.row_mean(logits_RA, kept_RA)

    def row_mean(self, logits_RA: Tensor, kept_RA: Tensor) -> Tensor:
        return sparsestmax(logits_RA.masked_fill(~kept_RA, -torch.inf), self.radius)


__all__ = ["Sparsestmax", "sparsemax", "sparsestmax"]
