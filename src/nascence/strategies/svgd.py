"""Several architectures from one distribution: Monte Carlo, and Stein variational gradient descent with regularised
diversity (SVGD-RD; Shu et al., NESS/NESBS, UAI 2022, arXiv 2109.02533; the update is derived in our dossier's terms:
ordinary SVGD, Liu & Wang 2016, on a target tilted by the kernel).

A distribution is the logits [R, O] of rows per choice group, minus infinity for what a row cannot have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Logits = Mapping[str, Tensor]


def draw(logits: Logits, generator: torch.Generator) -> dict[str, Tensor]:
    """One option per row, drawn independently: one-hot [R, O] per group."""
    drawn = {}
    for name, value in logits.items():
        picks = torch.multinomial(value.double().softmax(-1), 1, generator=generator)
        drawn[name] = torch.zeros_like(value).scatter_(-1, picks, 1.0)
    return drawn


def log_density(x_NRO: Mapping[str, Tensor], logits: Logits, sigma: float) -> Tensor:
    """log prod_r sum_o softmax(alpha_r)_o N(x_r; e_o, sigma^2 I) of N points [N, R, O] per group: [N].

    A mixture of normals around the one-hot vectors, row by row.
    """
    total: Tensor | None = None
    for name, value in logits.items():
        x, options = x_NRO[name], value.shape[-1]
        corners = torch.eye(options, dtype=x.dtype)
        squares = (x[..., None, :] - corners).square().sum(-1)
        normals = -squares / (2 * sigma**2) - options / 2 * math.log(2 * math.pi * sigma**2)
        rows = (value.to(x).log_softmax(-1) + normals).logsumexp(-1).sum(-1)
        total = rows if total is None else total + rows
    assert total is not None
    return total


def kernel(x_ND: Tensor, bandwidth: float | None = None) -> tuple[Tensor, float]:
    """k = exp(-|x - x'|^2 / h) [N, N] and h, which is median^2 / log(N + 1) of the distances unless given."""
    distances = torch.cdist(x_ND, x_ND)
    if bandwidth is None:
        others = distances[~torch.eye(len(x_ND), dtype=torch.bool)]
        median = float(others.median()) if len(others) else 0.0
        bandwidth = median**2 / math.log(len(x_ND) + 1) if median > 0 else 1.0
    return (-distances.square() / bandwidth).exp(), bandwidth


def stein_direction(x_ND: Tensor, scores_ND: Tensor, diversity: float, bandwidth: float | None = None) -> Tensor:
    """phi(x_i) = 1/N sum_j { k_ji [score_j - 2 delta sum_l grad_j k_jl] + grad_j k_ji }, with grad_j by x_j; [N, D].

    ``scores_ND``: the gradients of log p. ``diversity`` delta: 0 is SVGD, more repels, less than 0 attracts; of one
    particle it is the gradient alone, whatever delta.
    """
    k_NN, h = kernel(x_ND, bandwidth)
    between_NND = x_ND[:, None] - x_ND[None]
    pushes_NND = -2 / h * between_NND * k_NN[..., None]  # grad_j k(x_j, x_l) at [j, l]
    tilted_ND = scores_ND - 2 * diversity * pushes_NND.sum(1)
    return (k_NN.T @ tilted_ND + pushes_NND.sum(0)) / len(x_ND)


def svgd_rd(
    logits: Logits,
    count: int,
    diversity: float,
    generator: torch.Generator,
    *,
    sigma: float = 0.5,
    steps: int = 1000,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
) -> list[dict[str, Tensor]]:
    """``count`` particles moved by ``steps`` of :func:`stein_direction`, each row then the nearest one-hot vector that
    it can be: [R, O] per group. Two may be the same."""
    starts = [draw(logits, generator) for _ in range(count)]
    x = {
        name: torch.stack([start[name].double() for start in starts])
        + sigma * torch.randn(count, *value.shape, generator=generator, dtype=torch.float64)
        for name, value in logits.items()
    }
    shapes = {name: value.shape[1:] for name, value in x.items()}
    x_ND = torch.cat([value.flatten(1) for value in x.values()], 1)
    velocity = torch.zeros_like(x_ND)
    for _ in range(steps):
        leaf = x_ND.detach().requires_grad_()
        (scores,) = torch.autograd.grad(log_density(_apart(leaf, shapes), logits, sigma).sum(), leaf)
        velocity = momentum * velocity + stein_direction(x_ND, scores, diversity)
        x_ND = x_ND + learning_rate * velocity
    found = []
    for at in range(count):
        point = _apart(x_ND[at : at + 1], shapes)
        masked = {name: point[name][0].masked_fill(~value.isfinite(), -torch.inf) for name, value in logits.items()}
        found.append(
            {name: torch.zeros_like(v).scatter_(-1, v.argmax(-1, keepdim=True), 1.0) for name, v in masked.items()}
        )
    return found


def _apart(x_ND: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    parts = x_ND.split([shape.numel() for shape in shapes.values()], 1)
    return {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


__all__ = ["draw", "kernel", "log_density", "stein_direction", "svgd_rd"]
