"""The settings of descent on a supernet's weights and architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Descent:
    """How weights and architecture are moved, and what sees the data; settings of every gradient method.

    Weights: ``weights_optimizer`` SGD with ``learning_rate`` down to ``final_learning_rate`` along a cosine, epoch by
    epoch, ``momentum``, ``nesterov``, ``weight_decay``, and gradients clipped to norm ``clip_norm`` (0: not); or Adam
    with the same, but for momentum and nesterov. Architecture: Adam with ``architecture_learning_rate``,
    ``architecture_betas`` and coupled ``architecture_weight_decay``; ``order`` 2 looks
    through one step of the weights; ``first``: whose step comes first. ``alternate``: weights and architecture take
    turns step by step, or epoch by epoch (first all steps of the one, then all of the other). ``weights_share``: of the
    training data that weights learn from; the architecture has the rest. ``architecture_data``: rest, or validation for
    the data's own validation part, and then all training data are the weights'. ``train_images``, ``valid_images``: how
    many of either are used, None for all. ``epoch_images``: an epoch ends after so many of each, and the next one goes
    on with the others; None for whole passes.
    """

    batch_size: int = 64
    weights_optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip_norm: float = 5.0
    architecture_learning_rate: float = 3e-4
    architecture_betas: tuple[float, float] = (0.5, 0.999)
    architecture_weight_decay: float = 1e-3
    order: Literal[1, 2] = 1
    first: Literal["architecture", "weights"] = "architecture"
    alternate: Literal["step", "epoch"] = "step"
    weights_share: float = 0.5
    architecture_data: Literal["rest", "validation"] = "rest"
    train_images: int | None = None
    valid_images: int | None = None
    epoch_images: int | None = None
    image_size: int | None = None
    check_images: int = 512
    channels_last: bool = False
    bf16: bool = False
    compile: bool = False
    device: Literal["cpu", "cuda"] = "cpu"


__all__ = ["Descent"]
