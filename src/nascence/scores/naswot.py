"""Neural architecture search without training (Mellor et al., ICML 2021): how differently images activate the ReLUs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore

_EXACT = 2**23
"""Sums of so many +-1 are exact in float32."""


@final
@dataclass(frozen=True, kw_only=True)
class NASWOT(TrainingPassScore):
    """log det K, K[n, m] = the number of ReLU inputs that are positive for both images n and m, or for neither.

    With s = +-1 the sign, K = (F + S S^T) / 2 over all F ReLU inputs. The paper's batch is 128 images.
    """

    name: ClassVar[str] = "naswot"
    description: ClassVar[str] = "log-determinant of the kernel of common ReLU activations"
    source: ClassVar[str] = "arXiv 2006.04647"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "examples"
    because: ClassVar[str] = "it compares which ReLUs one example activates and another"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking", "images": 64}

    def of(self, run: TrainingPass) -> float | Tensor:
        return activation_determinant(run.active)


def activation_determinant(active: list[tuple[Tensor, int]]) -> Tensor | float:
    """log det of :func:`agreement_kernel`; minus infinity where there are no ReLUs."""
    return log_determinant(agreement_kernel(active)) if active else -math.inf


def agreement_kernel(active: list[tuple[Tensor, int]]) -> Tensor:
    """K [N, N] in float64 of Boolean codes [N, ...], each with the number of ReLUs that it belongs to."""
    count = len(active[0][0])
    total, products = 0, active[0][0].new_zeros(count, count, dtype=torch.float64)
    for codes, uses in active:
        signs = codes.flatten(1).float().mul_(2).sub_(1)
        total += uses * signs.shape[1]
        for part in signs.split(_EXACT, dim=1):
            products += uses * (part @ part.mT).double()
    return (total + products) / 2


def log_determinant(kernel: Tensor) -> Tensor:
    """log det of a positive semi-definite matrix [N, N]; minus infinity where it is singular."""
    factor, failed = torch.linalg.cholesky_ex(kernel)
    pivots = factor.diagonal().square()
    smallest = len(kernel) * torch.finfo(kernel.dtype).eps * kernel.diagonal().max()
    if failed or not (pivots > smallest).all():
        return kernel.new_tensor(-torch.inf)
    return pivots.log().sum()


__all__ = ["NASWOT", "activation_determinant", "agreement_kernel", "log_determinant"]
