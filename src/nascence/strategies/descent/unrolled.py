"""The second-order architecture gradient, through one virtual step of the weights (Liu et al., DARTS, eqs. 6-8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def unrolled_gradient(
    train_loss: Callable[[], Tensor],
    valid_loss: Callable[[], Tensor],
    weights: Sequence[Tensor],
    architecture: Sequence[Tensor],
    *,
    learning_rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    buffers: Sequence[Tensor | None] | None = None,
    radius: float = 0.01,
) -> list[Tensor]:
    """d L_valid(w', a) / da with w' = w - xi (mu m + dL_train(w, a)/dw + lambda w), xi the learning rate:

        dL_valid(w', a)/da - xi [dL_train(w + eps v, a)/da - dL_train(w - eps v, a)/da] / (2 eps),
        v = dL_valid(w', a)/dw', eps = radius / |v|.

    The losses are computed anew from the present ``weights`` and ``architecture`` (leaves that require gradients) at
    every call. ``buffers``: the optimizer's momentum m. The weights are moved in place and put back.
    """
    weights, architecture = list(weights), list(architecture)
    kept = [weight.detach().clone() for weight in weights]

    def gradients(loss: Tensor, of: list[Tensor]) -> list[Tensor]:
        found = torch.autograd.grad(loss, of, allow_unused=True)
        return [torch.zeros_like(at) if value is None else value for at, value in zip(of, found, strict=True)]

    def move(direction: Sequence[Tensor], factor: float) -> None:
        with torch.no_grad():
            for weight, origin, by in zip(weights, kept, direction, strict=True):
                weight.copy_(origin).add_(by, alpha=factor)

    try:
        step = gradients(train_loss(), weights)
        for at, weight in enumerate(kept):
            step[at] = step[at] + weight_decay * weight
            buffer = buffers[at] if buffers is not None else None
            if buffer is not None:
                step[at] = step[at] + momentum * buffer
        move(step, -learning_rate)
        both = gradients(valid_loss(), architecture + weights)
        direct, v = both[: len(architecture)], both[len(architecture) :]
        norm = float(torch.cat([value.flatten() for value in v]).norm())
        if learning_rate == 0 or not norm:
            return direct
        epsilon = radius / norm
        move(v, epsilon)
        plus = gradients(train_loss(), architecture)
        move(v, -epsilon)
        minus = gradients(train_loss(), architecture)
    finally:
        move(kept, 0.0)
    return [at - learning_rate * (one - two) / (2 * epsilon) for at, one, two in zip(direct, plus, minus, strict=True)]


__all__ = ["unrolled_gradient"]
