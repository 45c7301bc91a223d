from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nascence.attacks import ATTACKS, Attack, Ball
from nascence.attacks.apgd import APGD
from nascence.attacks.base import ascent
from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import victim_of
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch
from nascence.tasks.box import Box

EVERY = (
    FGSM(),
    FGSM(step=1.25, start="random"),
    FGSM(step=1.25, start="late"),
    FGSM(step=50.0),
    PGD(steps=3),
    PGD(steps=2, step=9.0, random_start=False),
    APGD(steps=5),
)


def any_victim(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1))


@settings(max_examples=60, deadline=None)
@given(
    attack=st.sampled_from(EVERY),
    eps=st.floats(1e-4, 0.9),
    mean=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)),
    std=st.tuples(st.floats(0.05, 2.0), st.floats(0.05, 2.0)),
    seed=st.integers(0, 10**6),
)
def test_never_outside_the_ball_or_the_box(
    attack: Attack, eps: float, mean: tuple[float, float], std: tuple[float, float], seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (3, 2, 4, 4), generator=random).float() / 255
    m, s = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]
    box, model = Box.normalised(mean, std), any_victim(seed)
    centre = (pixels - m) / s

    def victim(x: Tensor) -> tuple[Tensor, None]:
        return model(x)[:, 0], None

    found = box.pixels(attack(Ball(centre, box, eps), victim, random))
    assert float((found - pixels).abs().max()) <= eps + 1e-5
    assert float(found.min()) >= -1e-5
    assert float(found.max()) <= 1 + 1e-5
    assert not found.requires_grad


@pytest.mark.parametrize("attack", EVERY)
def test_the_loss_grows(attack: Attack, trained: nn.Module, digits: ImageClassification, batch: Batch) -> None:
    """On more than 95 % of batches of 16 images; the step of 50 eps is no attack that anybody would take."""
    grew = []
    for at in range(0, 352, 16):
        part = Batch((batch.inputs[0][at : at + 16],), batch.target[at : at + 16])
        victim = victim_of(trained, digits, part)
        found = attack(Ball(part.inputs[0], digits.box(), 0.05), victim, torch.Generator().manual_seed(at))
        with torch.no_grad():
            grew.append(float(victim(found)[0].mean()) > float(victim(part.inputs[0])[0].mean()))
    assert sum(grew) > 0.95 * len(grew)


def test_the_same_random_numbers_give_the_same_images(
    trained: nn.Module, digits: ImageClassification, batch: Batch
) -> None:
    for attack in EVERY:
        ball = Ball(batch.inputs[0], digits.box(), 0.1)
        found = [attack(ball, victim_of(trained, digits, batch), torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2]) == (not attack.random)


def test_random_points_fill_the_ball() -> None:
    box, random = Box.normalised([0.5], [0.25]), torch.Generator().manual_seed(0)
    ball = Ball(torch.zeros(200, 1, 4, 4), box, 0.1)  # 0.1 of a pixel is 0.4 here
    moved = ball.random(random)
    assert float(moved.abs().max()) <= 0.4
    assert float(moved.abs().max()) > 0.39
    assert float(moved.mean()) == pytest.approx(0, abs=0.02)
    assert float(moved.std()) == pytest.approx(0.4 / 3**0.5, rel=0.05)
    torch.testing.assert_close(ball.corners(random).abs(), torch.full((200, 1, 4, 4), 0.4))


def test_a_loss_that_does_not_depend_on_the_images_has_gradient_zero() -> None:
    weight = torch.ones(2, requires_grad=True)
    for losses in (torch.zeros(2), weight * 2):
        gradient, value, _ = ascent(torch.ones(2, 1, 3, 3), lambda x, losses=losses: (losses, None))
        assert torch.equal(gradient, torch.zeros(2, 1, 3, 3))
        assert not value.requires_grad


def test_the_names() -> None:
    assert ATTACKS.names() == ["fgsm", "pgd", "apgd"]
    assert [ATTACKS.get(name).name for name in ATTACKS.names()] == ATTACKS.names()
