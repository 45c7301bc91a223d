"""Multiple-gradient descent: the direction in which all objectives fall (Desideri, Comptes Rendus Mathematique 2012;
Sener & Koltun, NeurIPS 2018)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor

from nascence.strategies.descent.combination import Combination, Gradients

VANISHED = 1e-12
"""The norm of a gradient below which its objective has nothing to say."""


@final
class MGDA(Combination):
    """sum_i lambda_i L_i / |g_i|, where lambda makes the shortest vector in the convex hull of the g_i / |g_i|
    (:func:`least_norm`): no objective grows along it, to first order.

    Objectives whose gradient vanished (:data:`VANISHED`) take no part: as a zero vector they would be the shortest one
    themselves, and the others would stand still. ``scale="none"``: the gradients and losses as they are; then the
    objective with the small gradient has it all.

    The value of the loss is the plain sum of the terms, which can be read; only its gradient is the combined one.
    """

    def __init__(self, scale: Literal["norm", "none"] = "norm") -> None:
        self.scale = scale
        self._last: list[float] = []

    def loss(self, terms: Sequence[Tensor], gradients: Gradients) -> Tensor:
        flat = [torch.cat([part.flatten().double() for part in gradients(term)]) for term in terms]
        norms = [float(gradient.norm()) for gradient in flat]
        alive = [at for at, norm in enumerate(norms) if norm > VANISHED]
        by = [norms[at] if self.scale == "norm" else 1.0 for at in alive]
        scaled = [flat[at] / factor for at, factor in zip(alive, by, strict=True)]
        matrix = torch.stack(scaled) if alive else torch.zeros(0, 1, dtype=torch.float64)
        shares = least_norm(matrix @ matrix.T).tolist()
        self._last = [0.0] * len(terms)
        loss = terms[0].new_zeros(())
        for at, share, factor in zip(alive, shares, by, strict=True):
            self._last[at] = share
            loss = loss + share / factor * terms[at].to(loss)
        value = torch.stack([term.detach().to(loss) for term in terms]).sum()
        return loss + (value - loss.detach())

    def observed(self) -> dict[str, float]:
        """``objective_1_share``...: lambda of every objective of non-zero weight, in their order, at the last step."""
        return {f"objective_{at}_share": share for at, share in enumerate(self._last, 1)}


def least_norm(gram_KK: Tensor) -> Tensor:
    """lambda [K] >= 0 of sum 1 that makes |sum_i lambda_i g_i|^2 = lambda^T G lambda least, from the inner products
    G_ij = g_i . g_j.

    Exact: the best of all supports S, on each of which G_SS lambda_S = mu 1 (for two gradients:
    lambda_1 = (g_2 - g_1) . g_2 / |g_1 - g_2|^2, or an end). There are 2^K - 1 of them, which is few for the handful
    of objectives that a search has.
    """
    count = len(gram_KK)
    gram = gram_KK.double()
    best, least = torch.zeros(count, dtype=torch.float64), torch.inf
    supports = (s for size in range(1, count + 1) for s in itertools.combinations(range(count), size))
    for support in supports:
        at = torch.tensor(support)
        part = gram[at][:, at]
        solution = torch.linalg.pinv(part, hermitian=True) @ torch.ones(len(at), dtype=torch.float64)
        if bool((part @ solution - 1).abs().max() > 1e-6):  # 0 is a combination of these gradients: find it
            _, vectors = torch.linalg.eigh(part)
            solution = vectors[:, 0]
        total = solution.sum()
        if float(total.abs()) < 1e-12 or bool((solution / total < -1e-12).any()):
            continue
        shares = torch.zeros(count, dtype=torch.float64)
        shares[at] = (solution / total).clamp_min(0)
        value = float(shares @ gram @ shares)
        if value < least - 1e-15:
            best, least = shares, value
    return best


__all__ = ["MGDA", "VANISHED", "least_norm"]
