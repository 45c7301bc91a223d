"""Correlation of the input gradients (naswot's first version; ``jacob_cov`` in Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class JacobCov(TrainingPassScore):
    """- sum over eigenvalues v of the rows' correlation matrix of log(v + k) + 1/(v + k), k = 1e-5.

    Row n of the Jacobian is the gradient of all images' summed outputs with respect to image n (batch statistics mix
    images). Uncorrelated rows have all v = 1: the largest value, -N.
    """

    name: ClassVar[str] = "jacob-cov"
    description: ClassVar[str] = "how little the images' input gradients are correlated"
    source: ClassVar[str] = "arXiv 2006.04647v1, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "examples"
    because: ClassVar[str] = "it compares how outputs depend on one example and on another"

    def of(self, run: TrainingPass) -> float | Tensor:
        (jacobian,) = torch.autograd.grad(run.output.sum(), run.inputs, retain_graph=True)
        return decorrelation(jacobian)


def decorrelation(rows: Tensor) -> Tensor:
    """- sum of log(v + k) + 1/(v + k), k = 1e-5, over the eigenvalues v of the correlations between rows [N, ...].

    Minus infinity where a row is constant.
    """
    correlation = torch.corrcoef(rows.flatten(1).double())
    if not correlation.isfinite().all():
        return correlation.new_tensor(-torch.inf)
    shifted = torch.linalg.eigvalsh(correlation).clamp(min=0) + 1e-5
    return -(shifted.log() + 1 / shifted).sum()


__all__ = ["JacobCov", "decorrelation"]
