from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

from nascence.tasks import ImageClassification, ImageSet
from nascence.training import Evaluation, evaluate


class FromPixel(nn.Module):
    """Logits: 2 for the class that the first pixel names, 0 for the others."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return 2 * nn.functional.one_hot(x_BCHW[:, 0, 0, 0].round().long(), 3).float()


def toy(says: list[int], labels: list[int]) -> ImageClassification:
    images = torch.tensor(says, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2).clone()
    data = ImageSet(images, torch.tensor(labels))
    return ImageClassification("toy", ("a", "b", "c"), data, data, (0.0,), (1 / 255,))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_figures_by_hand(batch_size: int) -> None:
    task = toy(says=[0, 0, 1, 1, 2], labels=[0, 0, 0, 1, 1])
    found = evaluate(FromPixel(), task.part("test"), task, batch_size)
    assert found.value == pytest.approx(60)
    assert found.measures["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert found.measures["per_class_accuracy"] == [pytest.approx(200 / 3), 50, None]
    assert found.measures["balanced_accuracy"] == pytest.approx((200 / 3 + 50) / 2)
    normaliser = math.log(math.exp(2) + 2)
    assert found.loss == pytest.approx((3 * (normaliser - 2) + 2 * normaliser) / 5, rel=1e-6)
    assert Evaluation.from_dict("accuracy", json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_in_evaluation_mode_and_then_as_before(training: bool) -> None:
    task = toy([0, 1, 2], [0, 1, 2])
    model = nn.Sequential(FromPixel(), nn.Dropout(0.9)).train(training)
    assert evaluate(model, task.part("test"), task).value == 100
    assert model.training is training


def test_no_gradients_and_no_changed_statistics() -> None:
    task = toy([0, 1, 2], [0, 1, 2])
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, task.part("test"), task)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
