"""How a network is trained: settings, sensible defaults, and the recipes that published figures were made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from nascence.attacks.eps import check_eps
from nascence.declaring import Settings, setting
from nascence.errors import SettingError, UnknownNameError
from nascence.tasks import Task

FINE = 0.2
"""The learning rate of a network that is trained already, as a part of one that is not."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """SGD, or Adam, with a cosine learning rate. Raises :class:`SettingError` on a value outside its range."""

    epochs: int = setting(doc="Passes over the training examples.", at_least=1)
    batch_size: int = setting(doc="Examples of a step.", at_least=2)
    learning_rate: float = setting(doc="At its peak; it falls along a half cosine.", above=0)
    final_learning_rate: float = setting(0.0, "At the end.", at_least=0)
    warmup_epochs: int = setting(0, "Of linear growth, at the beginning.", at_least=0)
    per_step: bool = setting(True, "The learning rate changes at each step, else at each epoch.")
    momentum: float = setting(0.9, "Of SGD; of the first moment of adam.", at_least=0, below=1)
    nesterov: bool = setting(True, "Whether momentum looks ahead.")
    weight_decay: float = setting(5e-4, "On every parameter.", at_least=0)
    label_smoothing: float = setting(0.0, "Of the loss.", at_least=0, below=1)
    clip_norm: float = setting(0.0, "Bound on the L2 norm of all gradients together, 0 for none.", at_least=0)
    cutout: int = setting(0, "Side of the cut-out square in pixels, 0 for none.", at_least=0)
    augment: bool = setting(True, "Shifts and, where the task allows, mirroring.")
    drop_path: float = setting(
        0.0, "Chance to drop an edge, growing linearly from 0 over the epochs.", at_least=0, below=1
    )
    auxiliary_weight: float = setting(
        0.0, "Of the loss of an auxiliary head, which networks of the space darts can have; 0 for none.", at_least=0
    )
    optimizer: Literal["sgd", "adam", "adagrad"] = setting("sgd", "adam's first moment has momentum.")
    validation: float = setting(
        0.0,
        "Part of the training examples that is set aside to watch epochs by, 0 for none (data may have their own).",
        at_least=0,
        below=1,
    )
    patience: int = setting(
        0, "Epochs without a better one on the validation part after which to stop, 0 to go on to the end.", at_least=0
    )
    class_weights: Literal["balanced"] | tuple[float, ...] | None = setting(
        None, "Of the loss: balanced, or a weight a class in their order, none for none."
    )
    adversarial: Literal["none", "fgsm", "pgd"] = setting(
        "none",
        "Every batch is attacked before the network learns from it, by fgsm (one step from a random point) or pgd; "
        "none for plain training.",
    )
    adversarial_eps: float = setting(8 / 255, "How far pixels may move, of their range 0 to 1.")
    adversarial_steps: int = setting(7, "Of pgd.", at_least=1)

    def __post_init__(self) -> None:
        """Raises :class:`SettingError` on settings that contradict one another."""
        if self.warmup_epochs >= self.epochs:
            raise SettingError(f"warmup_epochs must be fewer than epochs ({self.epochs}), not {self.warmup_epochs}.")
        check_eps("adversarial_eps", self.adversarial_eps)
        if self.nesterov and self.optimizer != "adam" and self.momentum == 0:
            raise SettingError("The setting nesterov must be off where momentum is 0.")
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
