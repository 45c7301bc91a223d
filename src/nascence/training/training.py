"""Training one network from scratch, an epoch at a time, on any task."""

from __future__ import annotations

import copy
import math
import time
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.attacks import Attack
from nascence.attacks.fgsm import FGSM
from nascence.attacks.hardening import hardened
from nascence.attacks.pgd import PGD
from nascence.engine.compute import Compute
from nascence.errors import DataError, NascenceError, RunError, SettingError
from nascence.libraries import import_dynamo
from nascence.operations.depthwise import quick_depthwise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.tasks import Part, Task
from nascence.tasks.base import Batch
from nascence.training.config import TrainingConfig
from nascence.training.evaluation import Evaluation, Totals, evaluate, model_device, wide
from nascence.training.teaching import Teacher

_LOOK_EVERY = 32
"""Steps after which losses are looked at: on a GPU, to look is to wait."""


@final
class Training:
    """Trains ``model`` in place on the training part of ``task``; fulfils :class:`nascence.runs.Resumable`.

    One step is one epoch. Every random number follows from ``seed`` and the number of the epoch, so a resumed training
    is the same to the bit. ``judged``: the part that each epoch is measured on; None for the task's validation part
    or, where there is none, the test part. ``teacher``: whose outputs the network learns from beside the targets.
    ``compute``: where the model, which is moved there, computes and how; None for where it is. Of several processes,
    each takes a share of every batch, and all take the same step.

    With a validation part, the weights of the best epoch by it are those that the network has in the end, the test part
    is judged once, with them, and the training ends before its time when ``config.patience`` epochs bring no better
    one. :meth:`advance` raises :class:`NascenceError` when the loss is no longer finite; the object is then as it was
    before that epoch. Raises :class:`DataError` when there are fewer training examples than a batch,
    :class:`SettingError` when a setting does not fit the network or the data.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        config: TrainingConfig,
        *,
        seed: int = 0,
        judged: Part | None = None,
        teacher: Teacher | None = None,
        compute: Compute | None = None,
    ) -> None:
        self.compute = compute or Compute(device=model_device(model))
        if config.batch_size < 2 * self.compute.world:
            raise SettingError(
                f"{self.compute.world} processes cannot share batches of {config.batch_size}; give a larger "
                "--batch-size, or fewer --processes."
            )
        if not self.compute.on_cpu:
            task = task.on(self.compute.device)
        self.task = fitted(task, config, seed)
        self.model, self.config, self.seed, self.teacher = self.compute.place(model), config, seed, teacher
        self._call = self.compute.compiled(self.model)
        self.part = self.task.part("train")
        self.part.check(config.batch_size, augment=config.augment, cutout=config.cutout)
        self.split, self.judged = ("test", judged) if judged is not None else _judged(self.task)
        if config.patience and self.split != "validation":
            raise SettingError("patience needs a validation part to watch: add --validation 0.1, or leave it out.")
        self.steps_done = 0
        self.evaluation: Evaluation | None = None
        """On the test part: of the last epoch or, with a validation part, of the best, once the training is done."""
        self.best: dict[str, Any] | None = None
        """With a validation part: ``epoch``, the ``value`` that is watched, the ``model``'s weights, of the best."""
        self._paths: list[Any] = [
            module for module in model.modules() if isinstance(getattr(module, "drop_path", None), float)
        ]
        if config.drop_path and not self._paths:
            raise SettingError("This network has no edges to drop; set drop_path to 0.")
        self.attack = _adversary(config)
        if self.attack is not None:
            self.task.box()  # what has no pixels is refused
        self._batches_per_epoch = self.part.steps(config.batch_size)
        self._optimizer = _optimizer(model, config)

    @property
    def total_steps(self) -> int:
        return self.config.epochs

    @property
    def shown(self) -> tuple[str, str]:
        """The numbers of an epoch's event that progress tells."""
        return "train_loss", f"{self.split}_{self.task.metric.name}"

    @property
    def done(self) -> bool:
        return self.steps_done >= self.total_steps or self._out_of_patience

    @property
    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return bool(patience) and self.best is not None and self.steps_done - self.best["epoch"] >= patience

    def advance(self) -> dict[str, Any]:
        """One epoch. Its event: ``epoch`` (from 1), ``train_loss`` and ``train_<metric>`` (running, under
        augmentation), the same two of the part that is judged after it, ``learning_rate`` (at its last step),
        ``seconds`` and ``<examples>_per_second`` of the training part. With a validation part also ``best_epoch``, and
        in the last event the test part's two."""
        assert not self.done
        before = self.state_dict()
        started = time.perf_counter()
        rank = [self.compute.rank] if self.compute.rank else []
        with seeded_globally(derive_seed(self.seed, "training", "global", self.steps_done, *rank), self.compute.device):
            try:
                with quick_depthwise(self.model):
                    trained, rate = self._train_epoch()
                seconds = time.perf_counter() - started
                found = evaluate(self.model, self.judged, self.task, compute=self.compute)
                if not math.isfinite(found.loss):
                    raise self._diverged(found.loss, self._batches_per_epoch)
                self.steps_done += 1
                event = {
                    "epoch": self.steps_done,
                    **_told("train", trained),
                    **_told(self.split, found),
                    "learning_rate": rate,
                    "seconds": seconds,
                    f"{self.task.examples}_per_second": len(self.part) / seconds,
                }
                return {**event, **self._keep(found)}
            except BaseException:  # an interruption too must leave a state to go on from
                self.load_state_dict(before)
                raise

    def _keep(self, found: Evaluation) -> dict[str, Any]:
        """Remember what the epoch brought; returns what its event tells of it."""
        if self.split != "validation":
            self.evaluation = found
            return {}
        value = float(found.measures[self.task.watched.name])
        if self.best is None or self.task.watched.better(value, self.best["value"]):
            self.best = {"epoch": self.steps_done, "value": value, "model": copy.deepcopy(self.model.state_dict())}
        if not self.done:
            return {"best_epoch": self.best["epoch"]}
        self.model.load_state_dict(self.best["model"])
        self.evaluation = evaluate(self.model, self.task.part("test"), self.task, compute=self.compute)
        return {"best_epoch": self.best["epoch"], **_told("test", self.evaluation)}

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
        state = {
            "steps_done": self.steps_done,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
        }
        return copy.deepcopy(state if self.best is None else {**state, "best": self.best})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError` when the state is of another network or another kind."""
        try:
            evaluation = state["evaluation"]
            known = None if evaluation is None else Evaluation.from_dict(self.task.metric.name, evaluation)
            self.model.load_state_dict(state["model"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.steps_done, self.evaluation = int(state["steps_done"]), known
            self.best = copy.deepcopy(state.get("best"))
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
            raise RunError("This checkpoint does not belong to the training of this network.") from None

    def _train_epoch(self) -> tuple[Evaluation, float]:
        """(how good the network was while it learned, the last learning rate)."""
        config, compute = self.config, self.compute
        self.model.train()
        for module in self._paths:
            module.drop_path = config.drop_path * self.steps_done / config.epochs
        totals, losses, rate = Totals(), [], config.learning_rate
        batches = self.part.epoch(
            config.batch_size, self.seed, self.steps_done, augment=config.augment, cutout=config.cutout
        )
        for step, batch in enumerate(batches):
            rate = self.learning_rate(self.steps_done, step)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            batch = self._attacked(compute.take(batch), step)
            with compute.autocast():
                found = self._call(*batch.inputs)
            output, auxiliary = found if isinstance(found, tuple) else (found, None)
            loss = self.task.loss(output, batch)
            losses.append(loss.detach())
            sums = self.task.sums(output, batch)
            totals.add({**sums, "loss": wide(losses[-1]) * sums["count"]}, batch.counts)
            if self.teacher is not None:
                loss = self.teacher.taught(loss, output, batch, self.task)
            if auxiliary is not None:
                loss = loss + config.auxiliary_weight * self.task.loss(auxiliary, batch)
            if (step + 1) % _LOOK_EVERY == 0:
                self._look(losses)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            compute.average((p.grad for p in self.model.parameters() if p.grad is not None), batch.part)
            if config.clip_norm:
                nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
            self._optimizer.step()
        self._look(losses)
        compute.agree(self.model.buffers())
        read = totals.read(compute)
        mean = read.pop("loss") / read["count"]
        return Evaluation(self.task.metric.name, mean, self.task.measures(read)), rate

    def _attacked(self, batch: Batch, step: int) -> Batch:
        """The batch as the network learns from it."""
        if self.attack is None:
            return batch
        random = generator(self.seed, "training", "adversary", self.steps_done, step)
        return hardened(self.model, self.task, batch, self.attack, self.config.adversarial_eps, random)

    def _look(self, losses: list[Tensor]) -> None:
        """Raise when one of the losses, step by step, is no finite number."""
        first = max(0, len(losses) - _LOOK_EVERY)
        for step, value in enumerate(torch.stack(losses[first:]).tolist(), start=first + 1):
            if not math.isfinite(value):
                raise self._diverged(value, step)

    def _diverged(self, loss: float, step: int) -> NascenceError:
        return NascenceError(
            f"The training loss became {loss} in epoch {self.steps_done + 1}, step {step}; try a smaller learning "
            f"rate, such as {self.config.learning_rate / 10:g}."
        )


def fitted(task: Task, config: TrainingConfig, seed: int) -> Task:
    """The task as the settings want it: with a validation part, weights of classes, smoothed targets. Raises
    :class:`NascenceError` where it does not offer one of them."""
    if config.validation:
        task = task.holding_out(config.validation, seed)
    if config.class_weights is not None:
        task = task.weighted(config.class_weights)
    return task.smoothed(config.label_smoothing) if config.label_smoothing else task


def _adversary(config: TrainingConfig) -> Attack | None:
    if config.adversarial == "none":
        return None
    single = FGSM(step=1.25, start="random")  # Wong, Rice & Kolter, ICLR 2020
    return single if config.adversarial == "fgsm" else PGD(steps=config.adversarial_steps)


def _judged(task: Task) -> tuple[str, Part]:
    """The name of the part that epochs are measured on, and the part."""
    try:
        return "validation", task.part("validation")
    except DataError:
        return "test", task.part("test")


def _optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    import_dynamo()  # which optimizers do, and leave a folder
    if config.optimizer == "adam":
        return torch.optim.Adam(
            model.parameters(),
            lr=config.learning_rate,
            betas=(config.momentum, 0.999),
            weight_decay=config.weight_decay,
        )
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )


def _told(part: str, found: Evaluation) -> dict[str, float]:
    return {f"{part}_loss": found.loss, f"{part}_{found.metric}": found.value}


__all__ = ["Training", "fitted"]
