from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nascence.attacks.apgd import APGD
from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import EVERYTHING, Robustness, at_rest, right_of, robustness, survivors, taken
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch


def halves(batch: Batch) -> list[Batch]:
    first = torch.arange(len(batch.target)) < 180
    return [taken(batch, first), taken(batch, ~first)]


def test_accuracies_fall_with_the_radius_and_together_are_the_worst(
    trained: nn.Module, digits: ImageClassification, batch: Batch
) -> None:
    heard: list[tuple[int, str]] = []
    found = robustness(
        trained,
        digits,
        halves(batch),
        [FGSM(), PGD(steps=5), APGD(steps=5)],
        [4 / 255, 24 / 255],
        told=lambda done, latest: heard.append((done, latest.attack)),
    )
    assert [each.attack for each in found] == ["none", *["fgsm", "pgd", "apgd", EVERYTHING] * 2]
    assert heard == list(enumerate((each.attack for each in found), 1))
    assert found[0].percent > 85
    assert all(each.images == len(batch.target) for each in found)
    for small, large in zip(found[1:5], found[5:], strict=True):
        assert found[0].percent >= small.percent > large.percent
    assert found[4].percent <= min(each.percent for each in found[1:4])


def test_restarts_can_only_fool_more(trained: nn.Module, digits: ImageClassification, batch: Batch) -> None:
    once = survivors(trained, digits, batch, PGD(steps=2), 24 / 255)
    often = survivors(trained, digits, batch, PGD(steps=2), 24 / 255, restarts=4)
    assert bool((often <= once).all())
    assert int(often.sum()) < int(once.sum())
    assert bool((once <= right_of(trained, digits, batch)).all())


def test_a_restart_without_chance_is_not_run(digits: ImageClassification, batch: Batch) -> None:
    calls = []

    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            return x.flatten(1)[:, :10]

    survivors(Counted(), digits, batch, FGSM(), 0.1, restarts=5)
    assert len(calls) == 3  # right as they are, gradient, right after


def test_the_model_is_as_it_was(digits: ImageClassification, batch: Batch) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten().eval(), nn.Linear(64, 10))
    model[2].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    robustness(model, digits, [batch], [PGD(steps=2)], [0.1])
    assert [module.training for module in model.children()] == [True, False, True]
    assert model[2].weight.requires_grad
    assert not model[2].bias.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_at_rest_also_after_an_error() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="mat1"), at_rest(model):
        model(torch.zeros(1, 3))
    assert model.training
    assert model.weight.requires_grad


def test_numbers() -> None:
    found = Robustness("pgd", 0.1, 30, 120)
    assert found.percent == 25
    assert found.error == pytest.approx(100 * (0.25 * 0.75 / 120) ** 0.5)
    assert found.to_dict()["accuracy"] == 25
