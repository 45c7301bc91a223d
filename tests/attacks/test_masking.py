from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nascence.attacks.masking import Masking, look_for_masking
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch


class Loud(nn.Module):
    """Logits a thousand times as large: the same classes, and a cross-entropy whose gradient is rounded to zero."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return 1000 * self.model(x)


class Rounded(nn.Module):
    """Pixels rounded to few levels: the gradient is zero everywhere."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model((x * 8).round() / 8)


class Misled(nn.Module):
    """The gradient points the wrong way."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(2 * x.detach() - x)


def test_an_honest_network_shows_no_sign(trained: nn.Module, digits: ImageClassification, batch: Batch) -> None:
    found = look_for_masking(trained, digits, [batch], 16 / 255)
    assert found is not None
    assert found.signs == []
    assert found.still == 0
    assert found.unbounded == 0
    assert found.many_steps <= found.one_step


def test_loud_rounded_and_misleading_networks_are_found_out(
    trained: nn.Module, digits: ImageClassification, batch: Batch
) -> None:
    for model, sign in ((Loud(trained), "exactly zero"), (Rounded(trained), "exactly zero"), (Misled(trained), "half")):
        found = look_for_masking(model, digits, [batch], 32 / 255)
        assert found is not None
        assert any(sign in sentence for sentence in found.signs), found


def test_where_nothing_is_right_nothing_can_be_said(digits: ImageClassification, batch: Batch) -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return -torch.nn.functional.one_hot(batch.target[: len(x)], 10).float()

    assert look_for_masking(Wrong(), digits, [batch], 0.1) is None


def test_each_sign_has_its_sentence() -> None:
    quiet: dict[str, Any] = {
        "still": 0.0,
        "one_step": 40.0,
        "many_steps": 30.0,
        "noise": 0.0,
        "unbounded": 0.0,
        "images": 100,
    }
    assert Masking(**quiet).signs == []
    for change, words in (
        ({"still": 6.0}, "exactly zero at 6 %"),
        ({"many_steps": 43.0}, "43.0 % are told right, not 40.0 %"),
        ({"noise": 3.0}, "random noise fools 3.0 %"),
        ({"unbounded": 7.0}, "7 % of the images"),
    ):
        (sentence,) = Masking(**{**quiet, **change}).signs
        assert words in sentence
    assert Masking(**quiet).to_dict()["signs"] == []
