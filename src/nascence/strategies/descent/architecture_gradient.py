"""What may be done to the gradient of a softmax relaxation before the architecture takes its step.

The enhanced gradient is a reconstruction: the paper (Zhang et al., "Enhanced Gradient for Differentiable Architecture
Search", IEEE TNNLS 2023, arXiv 2103.12529) could not be obtained, and only the gradient's role is known from its
abstract. We take the natural gradient. For logits alpha of one edge with p = softmax(alpha) and s = dL/dp,

    dL/dalpha_k = g_k = p_k (s_k - sum_l p_l s_l),        g^_k = g_k / p_k = s_k - sum_l p_l s_l,

so that an operation that fell behind (small p_k) is judged by its merit and not by its share. With the Fisher matrix
F = diag(p) - p p^T of the softmax, F s = g, hence F^+ g = g^ up to a constant, which the softmax ignores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal, final

import torch
from torch import Tensor

from nascence.schedules import Moment


def enhanced_gradient(gradient_EA: Tensor, probabilities_EA: Tensor, epsilon: float = 0.0) -> Tensor:
    """g / (p + epsilon), less its mean over the operations of each edge; [E, A], in float32 or better."""
    exact = torch.promote_types(gradient_EA.dtype, torch.float32)
    scaled = gradient_EA.to(exact) / (probabilities_EA.to(exact) + epsilon)
    return scaled - scaled.mean(-1, keepdim=True)


def clip_together(gradients: Sequence[Tensor], largest_norm: float) -> list[Tensor]:
    """The gradients, scaled down so that their joint L2 norm is at most ``largest_norm``; 0 for no limit."""
    norm = float(torch.stack([value.norm() for value in gradients]).norm())
    factor = min(1.0, largest_norm / norm) if largest_norm and norm else 1.0
    return [factor * value for value in gradients]


class GradientTransform(ABC):
    """Turns the gradients of the logits [E, A] per kind of cell into the descent step for plain SGD."""

    @abstractmethod
    def __call__(self, gradients: Sequence[Tensor], logits: Sequence[Tensor], moment: Moment) -> list[Tensor]: ...

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@final
class CalibratedStep(GradientTransform):
    """The plain or the enhanced gradient, clipped together, times one rate for the whole search.

    The rate makes the median |step| of a logit over the first ``calibration_steps`` steps ``typical``: it follows the
    median of what was seen so far, and is fixed from then on. ``epsilon`` keeps the division of the enhanced gradient
    bounded: its first value in the first third of the search, when the weights of operations of small p have hardly
    been trained, then its second.
    """

    def __init__(
        self,
        kind: Literal["plain", "enhanced"] = "enhanced",
        *,
        typical: float = 5e-3,
        calibration_steps: int = 50,
        epsilon: tuple[float, float] = (0.05, 0.01),
        clip_norm: float = 5.0,
    ) -> None:
        self.kind, self.typical, self.calibration_steps = kind, typical, calibration_steps
        self.epsilon, self.clip_norm = epsilon, clip_norm
        self.seen: list[float] = []

    def __call__(self, gradients: Sequence[Tensor], logits: Sequence[Tensor], moment: Moment) -> list[Tensor]:
        found = [value.detach() for value in gradients]
        if self.kind == "enhanced":
            epsilon = self.epsilon[moment.share() >= 1 / 3]
            pairs = zip(found, logits, strict=True)
            found = [enhanced_gradient(g, alpha.detach().softmax(-1), epsilon) for g, alpha in pairs]
        found = clip_together(found, self.clip_norm)
        if len(self.seen) < self.calibration_steps:
            self.seen.append(float(torch.cat([value.abs().flatten() for value in found]).median()))
        return [self.rate * value for value in found]

    @property
    def rate(self) -> float:
        """eta."""
        usual = median(self.seen) if self.seen else 0.0
        return self.typical / usual if usual > 0 else 1.0

    def state_dict(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = list(state["seen"])


__all__ = ["CalibratedStep", "GradientTransform", "clip_together", "enhanced_gradient"]
