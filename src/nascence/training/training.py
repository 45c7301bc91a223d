"""Training one network from scratch, an epoch at a time."""

from __future__ import annotations

import copy
import math
import time
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nascence.errors import DataError, NascenceError, RunError, SettingError
from nascence.libraries import import_dynamo
from nascence.operations.depthwise import quick_depthwise
from nascence.seeding import derive_seed, generator
from nascence.tasks import ImageClassification, ImageSet
from nascence.tasks.image_set import batch_sizes
from nascence.training.config import TrainingConfig
from nascence.training.evaluation import Evaluation, evaluate, model_device


@final
class Training:
    """Trains ``model`` in place on the training images of ``task``; fulfils :class:`nascence.runs.Resumable`.

    One step is one epoch. Every random number follows from ``seed`` and the number of the epoch, so a resumed training
    is the same to the bit. ``validation``: the images that the accuracy of each epoch is measured on, the test images
    if None. :meth:`advance` raises :class:`NascenceError` when the loss is no longer finite; the object is then as it
    was before that epoch. Raises :class:`DataError` when there are fewer training images than a
    batch, :class:`SettingError` when a setting does not fit the network or the images.
    """

    def __init__(
        self,
        model: nn.Module,
        task: ImageClassification,
        config: TrainingConfig,
        *,
        seed: int = 0,
        validation: ImageSet | None = None,
    ) -> None:
        if len(task.train) < config.batch_size:
            raise DataError(
                f"A batch of {config.batch_size} needs as many training images, but '{task.name}' has "
                f"{len(task.train)}; choose a smaller batch."
            )
        if config.cutout >= min(task.image_size):
            raise SettingError(
                f"A cutout of {config.cutout} hides the whole of {task.image_size[0]} x "
                f"{task.image_size[1]} images; choose a smaller one, or 0."
            )
        self.model, self.task, self.config, self.seed = model, task, config, seed
        self.validation = task.test if validation is None else validation
        self.steps_done = 0
        self.evaluation: Evaluation | None = None
        self._paths: list[Any] = [
            module for module in model.modules() if isinstance(getattr(module, "drop_path", None), float)
        ]
        if config.drop_path and not self._paths:
            raise SettingError("This network has no edges to drop; set drop_path to 0.")
        self._batches_per_epoch = len(batch_sizes(len(task.train), config.batch_size))
        import_dynamo()
        self._optimizer = torch.optim.SGD(
            model.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
        )

    @property
    def total_steps(self) -> int:
        return self.config.epochs

    @property
    def done(self) -> bool:
        return self.steps_done >= self.total_steps

    def advance(self) -> dict[str, Any]:
        """One epoch. Its event: ``epoch`` (from 1), ``train_loss``, ``train_accuracy`` (running, under augmentation),
        ``test_accuracy`` and ``test_loss`` after it, ``learning_rate`` (at its last step), ``seconds`` and
        ``images_per_second`` of the training part. Accuracies are in percent."""
        assert not self.done
        before = self.state_dict()
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[]):  # for dropped paths and dropout
            torch.manual_seed(derive_seed(self.seed, "training", "global", self.steps_done))
            try:
                with quick_depthwise(self.model):
                    loss, accuracy, rate = self._train_epoch()
                seconds = time.perf_counter() - started
                evaluation = evaluate(self.model, self.validation, self.task)
                if not math.isfinite(evaluation.loss):
                    raise self._diverged(evaluation.loss, self._batches_per_epoch)
            except BaseException:  # an interruption too must leave a state to go on from
                self.load_state_dict(before)
                raise
        self.steps_done += 1
        self.evaluation = evaluation
        return {
            "epoch": self.steps_done,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "test_loss": evaluation.loss,
            "test_accuracy": evaluation.accuracy,
            "learning_rate": rate,
            "seconds": seconds,
            "images_per_second": len(self.task.train) / seconds,
        }

    def learning_rate(self, epoch: int, batch: int = 0) -> float:
        """At batch ``batch`` of epoch ``epoch``, both from 0."""
        config = self.config
        at = epoch + (batch / self._batches_per_epoch if config.per_step else 0)
        if at < config.warmup_epochs:
            step = 1 / self._batches_per_epoch if config.per_step else 1
            return config.learning_rate * min(1.0, (at + step) / config.warmup_epochs)
        progress = (at - config.warmup_epochs) / (config.epochs - config.warmup_epochs)
        span = config.learning_rate - config.final_learning_rate
        return config.final_learning_rate + span * (1 + math.cos(math.pi * progress)) / 2

    def state_dict(self) -> dict[str, Any]:
        """A copy: training on does not change it."""
        return copy.deepcopy(
            {
                "steps_done": self.steps_done,
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError` when the state is of another network or another kind."""
        try:
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.steps_done = int(state["steps_done"])
            evaluation = state["evaluation"]
            self.evaluation = None if evaluation is None else Evaluation(**evaluation)
        except (KeyError, TypeError, ValueError, RuntimeError):
            raise RunError("This checkpoint does not belong to the training of this network.") from None

    def _train_epoch(self) -> tuple[float, float, float]:
        """(mean loss, accuracy in percent, last learning rate)."""
        config, device = self.config, model_device(self.model)
        self.model.train()
        for module in self._paths:
            module.drop_path = config.drop_path * self.steps_done / config.epochs
        total, right, rate = 0.0, 0, config.learning_rate
        batches = self.task.epoch(
            generator(self.seed, "training", "batches", self.steps_done),
            config.batch_size,
            augment=config.augment,
            cutout_length=config.cutout,
        )
        for step, (x_BCHW, y_B) in enumerate(batches):
            rate = self.learning_rate(self.steps_done, step)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            output, y_B = self.model(x_BCHW.to(device)), y_B.to(device)
            logits_BK, auxiliary_BK = output if isinstance(output, tuple) else (output, None)
            loss = self._loss(logits_BK, y_B)
            value = float(loss.detach())
            if auxiliary_BK is not None:
                loss = loss + config.auxiliary_weight * self._loss(auxiliary_BK, y_B)
            if not math.isfinite(value):
                raise self._diverged(value, step + 1)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if config.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
            self._optimizer.step()
            total += value * len(y_B)
            right += int((logits_BK.argmax(1) == y_B).sum())
        return total / len(self.task.train), 100 * right / len(self.task.train), rate

    def _diverged(self, loss: float, step: int) -> NascenceError:
        return NascenceError(
            f"The training loss became {loss} in epoch {self.steps_done + 1}, step {step}; try a smaller learning "
            f"rate, such as {self.config.learning_rate / 10:g}."
        )

    def _loss(self, logits_BK: Tensor, y_B: Tensor) -> Tensor:
        return F.cross_entropy(logits_BK, y_B, label_smoothing=self.config.label_smoothing)
