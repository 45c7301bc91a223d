"""Gradient signal preservation (GraSP: Wang et al., ICLR 2020; summed: Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class GraSP(TrainingPassScore):
    """- sum w * (H g), g the gradient and H the Hessian of L on the same batch.

    H g is the gradient of ||g||^2 / 2: a backward through the backward. The sign is that of the ranking literature,
    opposite to the pruning paper's.
    """

    name: ClassVar[str] = "grasp"
    description: ClassVar[str] = "minus sum over weights of w (H g): what the weights do to the gradient's norm"
    source: ClassVar[str] = "arXiv 2002.07376, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    def of(self, run: TrainingPass) -> float | Tensor:
        gradients = torch.autograd.grad(run.loss, run.weights, create_graph=True)
        half_square = sum((gradient.square().sum() for gradient in gradients), run.loss.new_zeros(())) / 2
        try:
            products = torch.autograd.grad(half_square, run.weights, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise SettingError(
                "grasp needs second derivatives, and a part of these networks has none (hard sigmoids of mobile "
                "blocks, for one); take another score, such as snip."
            ) from None
        return -sum((w.detach() * h).sum() for w, h in zip(run.weights, products, strict=True) if h is not None)


__all__ = ["GraSP"]
