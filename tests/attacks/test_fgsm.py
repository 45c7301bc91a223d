from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nascence.attacks import Ball
from nascence.attacks.fgsm import FGSM
from nascence.attacks.robustness import right_of, victim_of
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch
from nascence.tasks.box import Box

BOX = Box.normalised([0.5], [0.25])  # a pixel unit is 4 here


def linear(x_BCHW: Tensor) -> tuple[Tensor, None]:
    """Its gradient is 1 in the first pixel, -1 in the second."""
    return x_BCHW[:, 0, 0, 0] - x_BCHW[:, 0, 0, 1], None


def test_one_step_of_a_linear_loss() -> None:
    ball = Ball(torch.zeros(1, 1, 1, 2), BOX, 0.1)
    found = FGSM()(ball, linear, torch.Generator())
    torch.testing.assert_close(found, torch.tensor([[[[0.4, -0.4]]]]))


def test_a_late_start_takes_the_gradient_at_the_image() -> None:
    """The loss is x^2 / 2: its gradient is zero at the image, which is why only the random start is left."""
    ball = Ball(torch.zeros(50, 1, 2, 2), BOX, 0.1)

    def bowl(x: Tensor) -> tuple[Tensor, None]:
        return (x**2 / 2).sum((1, 2, 3)), None

    start = ball.random(torch.Generator().manual_seed(3))
    late = FGSM(step=1.25, start="late")(ball, bowl, torch.Generator().manual_seed(3))
    assert torch.equal(late, start)
    early = FGSM(step=1.25, start="random")(ball, bowl, torch.Generator().manual_seed(3))
    torch.testing.assert_close(early, 0.4 * start.sign())


@pytest.mark.parametrize("eps", [2 / 255, 8 / 255, 32 / 255])
def test_foolbox_finds_the_same(
    eps: float, trained: nn.Module, digits: ImageClassification, batch: Batch, foolbox: Any, their_model: Any
) -> None:
    pixels = digits.box().pixels(batch.inputs[0]).clamp(0, 1)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    _, theirs, fooled = attack(their_model, pixels, batch.target, epsilons=eps)
    ours = FGSM()(Ball(batch.inputs[0], digits.box(), eps), victim_of(trained, digits, batch), torch.Generator())
    right = right_of(trained, digits, Batch((ours,), batch.target))
    assert 100 * float((~fooled).float().mean()) == pytest.approx(100 * float(right.float().mean()), abs=0.5)
    assert float((digits.box().pixels(ours) - theirs).abs().max()) <= 2 * eps + 1e-5
