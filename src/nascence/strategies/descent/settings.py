"""The settings of descent on a supernet's weights and architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nascence.declaring import Settings, part, setting


@dataclass(frozen=True, kw_only=True)
class WeightSteps(Settings):
    """How the network's weights are moved."""

    optimizer: Literal["sgd", "adam"] = setting(
        "sgd", "Of the weights; adam does without momentum and nesterov.", alias="weights_optimizer"
    )
    learning_rate: float = setting(
        0.025, "Of the weights, at the beginning; it falls along a cosine, epoch by epoch.", at_least=0
    )
    final_learning_rate: float = setting(0.001, "Of the weights, at the end.", at_least=0)
    momentum: float = setting(0.9, "Of the weights' SGD.", at_least=0)
    nesterov: bool = setting(False, "Whether momentum looks ahead.")
    weight_decay: float = setting(3e-4, "Of the weights.", at_least=0)
    clip_norm: float = setting(5.0, "Largest norm of the weights' gradient, 0 for no limit.", at_least=0)

    def rate(self, position: int, length: int) -> float:
        """The learning rate ``position`` of ``length`` along the cosine."""
        high, low = self.learning_rate, self.final_learning_rate
        return low + (high - low) * (1 + math.cos(math.pi * position / length)) / 2


@dataclass(frozen=True, kw_only=True)
class ArchitectureSteps(Settings):
    """How the architecture's parameters are moved, and when."""

    learning_rate: float = setting(
        3e-4, "Of Adam on the architecture's parameters.", at_least=0, alias="architecture_learning_rate"
    )
    betas: tuple[float, float] = setting((0.5, 0.999), "Decay rates of that Adam.", alias="architecture_betas")
    weight_decay: float = setting(1e-3, "Coupled, as Adam has it.", at_least=0, alias="architecture_weight_decay")
    order: Literal[1, 2] = setting(1, "2 sees the validation loss through one step of the weights.")
    first: Literal["architecture", "weights"] = setting("architecture", "Whose step comes first in each pair.")
    alternate: Literal["step", "epoch"] = setting(
        "step", "Weights and architecture take turns step by step, or all steps of an epoch of the one, then the other."
    )


@dataclass(frozen=True, kw_only=True)
class ShrunkImages(Settings):
    """Images as a search sees them."""

    image_size: int | None = setting(None, "Larger images are averaged down to it, none for no change.", at_least=1)


@dataclass(frozen=True, kw_only=True)
class SearchData(ShrunkImages):
    """What weights and architecture learn from."""

    batch_size: int = setting(64, "Images of a step.", at_least=2)
    weights_share: float = setting(
        0.5, "Share of the training data that weights learn from; the architecture has the rest.", above=0, below=1
    )
    architecture: Literal["rest", "validation"] = setting(
        "rest",
        "What the architecture learns from: that rest, or the data's own validation part, and then all training data "
        "are the weights'.",
        alias="architecture_data",
    )
    train_images: int | None = setting(None, "Images that weights learn from, none for all there are.", at_least=2)
    valid_images: int | None = setting(
        None, "Images that the architecture learns from, none for all there are.", at_least=2
    )
    epoch_images: int | None = setting(
        None,
        "An epoch ends after so many of each, and the next one goes on with the others; none for whole passes.",
        at_least=1,
    )
    check_images: int = setting(
        512, "Images on which supernet and derived architecture are compared after each epoch, 0 for none.", at_least=0
    )


@dataclass(frozen=True, kw_only=True)
class Computing(Settings):
    """What steps are computed with."""

    channels_last: bool = setting(False, "Memory layout of images and features.")
    bf16: bool = setting(False, "Networks compute in bfloat16 where that is safe.")
    compile: bool = setting(False, "By torch.compile, which takes minutes before the first step.")
    device: Literal["cpu", "cuda"] = setting("cpu", "cpu, or cuda.")


@dataclass(frozen=True, kw_only=True)
class Descent(Settings):
    """How weights and architecture are moved, and what sees the data; settings of every gradient method."""

    weights: WeightSteps = part(WeightSteps)
    architecture: ArchitectureSteps = part(ArchitectureSteps)
    data: SearchData = part(SearchData)
    compute: Computing = part(Computing)


__all__ = ["ArchitectureSteps", "Computing", "Descent", "SearchData", "ShrunkImages", "WeightSteps"]
