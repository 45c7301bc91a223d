from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nascence.attacks import Ball
from nascence.attacks.apgd import APGD, _checkpoints
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import right_of, survivors, victim_of
from nascence.errors import SettingError
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch
from nascence.tasks.box import Box

BOX = Box.normalised([0.5], [0.25])


def test_the_checkpoints_of_the_paper() -> None:
    """p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 of 100 steps (section 3.2)."""
    assert _checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert _checkpoints(10) == [3, 5, 6, 7, 8, 9, 10, 10]


def test_steps_get_shorter_until_the_top_is_found() -> None:
    """The loss is largest at 0.05 in every pixel, and PGD's steps of 0.3 jump over it for ever."""

    def hill(x: Tensor) -> tuple[Tensor, None]:
        return -((x - 0.05) ** 2).sum((1, 2, 3)), None

    ball = Ball(torch.zeros(4, 1, 1, 1), BOX, 0.1)
    found = APGD(steps=60)(ball, hill, torch.Generator().manual_seed(0))
    rough = PGD(steps=60, step=0.75)(ball, hill, torch.Generator().manual_seed(0))
    assert float((found - 0.05).abs().max()) < 0.02
    assert float((rough - 0.05).abs().max()) > 0.05


def test_every_image_has_a_step_size_of_its_own() -> None:
    """The second image's loss is a slope: its steps stay long, whatever becomes of the first one's."""

    def mixed(x: Tensor) -> tuple[Tensor, None]:
        return torch.stack([-((x[0] - 0.05) ** 2).sum(), x[1].sum()]), None

    ball = Ball(torch.zeros(2, 1, 1, 1), BOX, 0.1)
    found = APGD(steps=40)(ball, mixed, torch.Generator().manual_seed(0))
    assert float(found[0]) == pytest.approx(0.05, abs=0.03)
    assert float(found[1]) == pytest.approx(0.4)


def test_a_point_that_fools_is_kept_though_another_has_a_larger_loss() -> None:
    def victim(x: Tensor) -> tuple[Tensor, Tensor]:
        value = x.sum((1, 2, 3))
        return value, value.detach() > 0.2  # wrong only where the loss is small

    ball = Ball(torch.zeros(64, 1, 1, 1), BOX, 0.1)
    start = ball.random(torch.Generator().manual_seed(1))
    found = APGD(steps=10)(ball, victim, torch.Generator().manual_seed(1))
    begins_wrong = start.flatten() <= 0.2
    assert bool((found.flatten()[begins_wrong] <= 0.2).all())
    assert bool((found.flatten()[~begins_wrong] > 0.39).all())


def test_no_steps_are_refused() -> None:
    with pytest.raises(SettingError, match="at least 1 step"):
        APGD(steps=0)


@pytest.mark.parametrize("eps", [8 / 255, 24 / 255])
def test_at_least_as_strong_as_pgd(eps: float, trained: nn.Module, digits: ImageClassification, batch: Batch) -> None:
    left = {
        attack.name: int(survivors(trained, digits, batch, attack, eps).sum())
        for attack in (PGD(steps=30), APGD(steps=30))
    }
    assert left["apgd"] <= left["pgd"] + 0.005 * len(batch.target)
    ball, victim = Ball(batch.inputs[0], digits.box(), eps), victim_of(trained, digits, batch)
    found = APGD(steps=30)(ball, victim, torch.Generator().manual_seed(0))
    both = (right_of(trained, digits, batch) & right_of(trained, digits, Batch((found,), batch.target))).sum()
    assert abs(int(both) - left["apgd"]) <= 0.01 * len(batch.target)
