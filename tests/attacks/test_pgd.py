from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nascence.attacks import Ball
from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import right_of, victim_of
from nascence.errors import SettingError
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch
from nascence.tasks.box import Box


def test_steps_walk_to_the_top_of_a_hill() -> None:
    """The loss is largest at 0.25: three steps of 0.1 reach 0.3 and turn back, where one large step goes on to 0.4."""

    def hill(x: Tensor) -> tuple[Tensor, None]:
        return -((x - 0.25) ** 2).sum((1, 2, 3)), None

    ball = Ball(torch.zeros(1, 1, 1, 1), Box.normalised([0.5], [0.25]), 0.1)
    places = [float(PGD(steps=n, step=0.25, random_start=False)(ball, hill, torch.Generator())) for n in (1, 2, 3, 4)]
    assert places == pytest.approx([0.1, 0.2, 0.3, 0.2])
    assert float(FGSM()(ball, hill, torch.Generator())) == pytest.approx(0.4)


def test_the_usual_step_is_two_and_a_half_eps_in_all() -> None:
    def up(x: Tensor) -> tuple[Tensor, None]:
        return x.sum((1, 2, 3)), None

    ball = Ball(torch.zeros(1, 1, 1, 1), Box.normalised([0.5], [0.25]), 0.1)
    assert float(PGD(steps=10, random_start=False)(ball, up, torch.Generator())) == pytest.approx(0.4)
    one = Ball(torch.zeros(1, 1, 1, 1), Box.normalised([0.5], [0.25]), 0.1)
    assert float(PGD(steps=5, step=0.1, random_start=False)(one, up, torch.Generator())) == pytest.approx(0.2)


def test_no_steps_are_refused() -> None:
    with pytest.raises(SettingError, match="at least 1 step"):
        PGD(steps=0)


@pytest.mark.parametrize(("eps", "steps"), [(2 / 255, 10), (8 / 255, 10), (32 / 255, 7)])
def test_foolbox_finds_the_same(
    eps: float,
    steps: int,
    trained: nn.Module,
    digits: ImageClassification,
    batch: Batch,
    foolbox: Any,
    their_model: Any,
) -> None:
    pixels = digits.box().pixels(batch.inputs[0]).clamp(0, 1)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=2.5 * eps / steps, steps=steps, random_start=False)
    _, _, fooled = attack(their_model, pixels, batch.target, epsilons=eps)
    ours = PGD(steps=steps, random_start=False)(
        Ball(batch.inputs[0], digits.box(), eps), victim_of(trained, digits, batch), torch.Generator()
    )
    right = right_of(trained, digits, Batch((ours,), batch.target))
    assert 100 * float((~fooled).float().mean()) == pytest.approx(100 * float(right.float().mean()), abs=0.5)


def test_more_steps_fool_more(trained: nn.Module, digits: ImageClassification, batch: Batch) -> None:
    right = []
    for steps in (1, 3, 10):
        ball = Ball(batch.inputs[0], digits.box(), 32 / 255)
        found = PGD(steps=steps, random_start=False, step=0.3)(
            ball, victim_of(trained, digits, batch), torch.Generator()
        )
        right.append(int(right_of(trained, digits, Batch((found,), batch.target)).sum()))
    assert right[0] > right[1] >= right[2]
