"""How a network is trained: settings, sensible defaults, and the recipes that published figures were made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nascence.attacks.eps import check_eps
from nascence.errors import SettingError, UnknownNameError
from nascence.tasks import Task

FINE = 0.2
"""The learning rate of a network that is trained already, as a part of one that is not."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """SGD, or Adam, with a cosine learning rate.

    ``learning_rate``: its peak; it falls to ``final_learning_rate`` along a half cosine, after ``warmup_epochs`` of
    linear growth, anew at each step (``per_step``) or each epoch. ``momentum``, ``nesterov``, ``weight_decay``: of SGD,
    on every parameter. ``label_smoothing``: in [0, 1). ``clip_norm``: bound on the L2 norm of all gradients together, 0
    for none. ``cutout``: side of the cut-out square in pixels, 0 for none. ``augment``: shifts and, where the task
    allows, mirroring. ``drop_path``: chance to drop an edge, growing linearly from 0 over the epochs.
    ``auxiliary_weight``: of the loss of an auxiliary head, which networks of the space darts can have; 0 for none.
    ``optimizer``: sgd, adam, whose first moment then has ``momentum``, or adagrad. ``validation``: part of the training
    examples that is set aside to watch epochs by, 0 for none (data may have a part of their own). ``patience``: epochs
    without a better one on the validation part after which to stop, 0 to go on to the end. ``class_weights``: of the
    loss: balanced, or a weight a class in their order, none for none.
    ``adversarial``: every batch is attacked before the network learns from it, by fgsm (one step from a random point)
    or pgd; none for plain training. ``adversarial_eps``: how far pixels may move, of their range 0 to 1.
    ``adversarial_steps``: of pgd.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float = 0.0
    warmup_epochs: int = 0
    per_step: bool = True
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    cutout: int = 0
    augment: bool = True
    drop_path: float = 0.0
    auxiliary_weight: float = 0.0
    optimizer: Literal["sgd", "adam", "adagrad"] = "sgd"
    validation: float = 0.0
    patience: int = 0
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    adversarial: Literal["none", "fgsm", "pgd"] = "none"
    adversarial_eps: float = 8 / 255
    adversarial_steps: int = 7

    def __post_init__(self) -> None:
        """Raises :class:`SettingError` on a value outside its range."""
        ranges: dict[str, tuple[bool, str]] = {
            "epochs": (self.epochs >= 1, "at least 1"),
            "batch_size": (self.batch_size >= 2, "at least 2"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "final_learning_rate": (self.final_learning_rate >= 0, "at least 0"),
            "warmup_epochs": (0 <= self.warmup_epochs < max(self.epochs, 1), "at least 0 and below the epochs"),
            "momentum": (0 <= self.momentum < 1, "in [0, 1)"),
            "nesterov": (self.optimizer == "adam" or self.momentum > 0 or not self.nesterov, "off where momentum is 0"),
            "weight_decay": (self.weight_decay >= 0, "at least 0"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "in [0, 1)"),
            "clip_norm": (self.clip_norm >= 0, "at least 0"),
            "cutout": (self.cutout >= 0, "at least 0"),
            "drop_path": (0 <= self.drop_path < 1, "in [0, 1)"),
            "auxiliary_weight": (self.auxiliary_weight >= 0, "at least 0"),
            "validation": (0 <= self.validation < 1, "in [0, 1)"),
            "patience": (self.patience >= 0, "at least 0"),
            "adversarial_steps": (self.adversarial_steps >= 1, "at least 1"),
        }
        for name, (holds, expected) in ranges.items():
            if not holds:
                raise SettingError(f"The training's {name} must be {expected}, got {getattr(self, name)}.")
        check_eps("adversarial_eps", self.adversarial_eps)
        if self.cutout and not self.augment:
            raise SettingError("The training's cutout needs augment to be on.")
        idle = {"adversarial_eps": (8 / 255, ("fgsm", "pgd")), "adversarial_steps": (7, ("pgd",))}
        for name, (usual, users) in idle.items():
            if getattr(self, name) != usual and self.adversarial not in users:
                raise SettingError(f"{name} is of no use without adversarial={' or '.join(users)}.")

    @classmethod
    def suggested(cls, task: Task, **changes: Any) -> TrainingConfig:
        """Settings by the amount of data, for one person at one computer, and the task's own
        (:attr:`nascence.tasks.Task.suggestions`); ``changes`` replaces any of them.

        The nas-bench-201 recipe with a short warm-up, and smaller batches for less data; epochs for about 900 steps,
        but at least 20 and at most 100. Chosen on images held out of the digits' training images.
        """
        images = len(task.part("train"))
        batch_size = next((size for enough, size in _BATCH_SIZES if images >= enough), max(2, images // 5))
        defaults: dict[str, Any] = {
            "epochs": min(100, max(20, round(900 * batch_size / images))),
            "batch_size": batch_size,
            "learning_rate": 0.1 if batch_size > 64 else 0.05,
        }
        defaults |= task.suggestions
        defaults["warmup_epochs"] = min(defaults.get("warmup_epochs", 2), changes.get("epochs", defaults["epochs"]) - 1)
        return cls(**{**defaults, **changes})

    @classmethod
    def preset(cls, name: str, **changes: Any) -> TrainingConfig:
        """A published recipe: ``nas-bench-201`` (Dong & Yang 2020) or ``darts`` (Liu et al. 2019), both for CIFAR.

        Raises :class:`UnknownNameError` on another name.
        """
        if name not in PRESETS:
            raise UnknownNameError("training preset", name, PRESETS)
        return cls(**{**PRESETS[name], **changes})


# (from how many training images, batch size)
_BATCH_SIZES = ((25_600, 256), (6_400, 128), (3_200, 64), (160, 32))

PRESETS: dict[str, dict[str, Any]] = {
    "nas-bench-201": {"epochs": 200, "batch_size": 256, "learning_rate": 0.1, "per_step": False},
    "darts": {
        "epochs": 600,
        "batch_size": 96,
        "learning_rate": 0.025,
        "per_step": False,
        "nesterov": False,
        "weight_decay": 3e-4,
        "clip_norm": 5.0,
        "cutout": 16,
        "drop_path": 0.2,
        "auxiliary_weight": 0.4,
    },
}
