"""Bilevel descent: the supernet's weights on one half of the images, its architecture on the other (DARTS, ICLR 2019).

min_a L_valid(w*(a), a)  with  w*(a) = argmin_w L_train(w, a)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import NascenceError, RunError
from nascence.libraries import import_dynamo
from nascence.objectives import CrossEntropy, Evaluated, Objective, total
from nascence.relaxations import Relaxation
from nascence.schedules import Moment
from nascence.seeding import derive_seed, generator
from nascence.spaces import CellSpace
from nascence.strategies.architecture_gradient import GradientTransform
from nascence.strategies.base import Strategy
from nascence.strategies.collapse import Health, examine
from nascence.strategies.descent import Descent
from nascence.strategies.stages import Epoch, Stage, chunked, timetable
from nascence.strategies.unrolled import unrolled_gradient
from nascence.supernets import MixingWeights
from nascence.supernets.cells import CellSupernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.supernets.cells.widening import widen
from nascence.tasks import ImageClassification, ImageSet
from nascence.tasks.augmentation import shrink
from nascence.tasks.cycling import CyclingBatches

SupernetFactory = Callable[[int, int], CellSupernet]
"""(K of partial channels, seed) -> a supernet."""


@final
class BilevelDescent(Strategy):
    """Descends on weights and architecture in turn, one batch each, through ``stages``; then derives the architecture.

    One :meth:`advance` is up to ``chunk`` steps of one epoch; the last one of an epoch also looks at the
    architecture. Batches, samples and weights follow from ``seed`` and the number of the step: a resumed search is the
    same to the bit. Steps of the architecture train no weights, and steps of the weights no architecture. Inside
    :meth:`advance` a loss that is not finite raises :class:`NascenceError`.

    With ``transform`` the architecture takes plain SGD steps of what it returns, instead of Adam's.

    Raises :class:`DataError` when a batch is larger than a half, :class:`SettingError` when a stage does not fit the
    space, :class:`BudgetError` when nothing is within the budget.
    """

    def __init__(
        self,
        space: CellSpace,
        task: ImageClassification,
        relaxation: Relaxation,
        supernet: SupernetFactory,
        *,
        stages: Sequence[Stage],
        descent: Descent,
        objectives: Sequence[Objective] = (CrossEntropy(),),
        weight_objectives: Sequence[Objective] = (CrossEntropy(),),
        transform: GradientTransform | None = None,
        budget: BudgetChecker,
        seed: int,
        chunk: int = 20,
    ) -> None:
        self.transform, self.chunk = transform, chunk
        self.space, self.task, self.relaxation, self.factory = space, task, relaxation, supernet
        self.stages, self.descent, self.budget, self.seed = tuple(stages), descent, budget, seed
        self.objectives, self.weight_objectives = tuple(objectives), tuple(weight_objectives)
        train, valid = task.halves(seed)
        self.train, self.valid = _first(train, descent.train_images), _first(valid, descent.valid_images)
        both = ImageSet(
            torch.cat([self.train.images, self.valid.images]), torch.cat([self.train.labels, self.valid.labels])
        )
        batch = (descent.batch_size, seed)
        self._batches = {
            name: CyclingBatches(task, images, *batch, name, descent.image_size)
            for name, images in (("weights", self.train), ("architecture", self.valid), ("both", both))
        }
        self._plan = chunked(timetable(self.stages), self._steps_of, chunk)
        self.total_steps = len(self._plan)
        self.steps_done = 0
        self.health: Health | None = None
        self._sums: dict[str, float] = {}
        self._device = torch.device(descent.device)
        relaxation.begin(self._plan[0].epoch.moment)
        self._parameters = ", ".join(relaxation.parameters)  # as they are at the beginning; stages may change them
        relaxation.derive(budget)  # a budget that nothing meets is refused before the search
        self._build(0)

    def _steps_of(self, epoch: Epoch) -> int:
        one_pass, images = len(self._batches["both" if epoch.joint else "weights"]), self.descent.epoch_images
        if images is None:
            return one_pass
        return min(one_pass, max(1, round((2 if epoch.joint else 1) * images / self.descent.batch_size)))

    # Parts that begin with a stage ---------------------------------------------------------------------------------

    def _build(self, stage: int) -> None:
        """A fresh network and optimizers, as stage number ``stage`` has them."""
        self.stage = stage
        seed = derive_seed(self.seed, "supernet", sum(each.restart for each in self.stages[: stage + 1]))
        self.supernet = self.factory(self.stages[stage].partial, seed).to(self._device)
        self._arrange()
        self._descend_weights()
        self._descend_architecture()

    def _arrange(self) -> None:
        use_quick_gradients(self.supernet)
        if self.descent.channels_last:
            self.supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._weights = list(self.supernet.parameters())
        self._call: Callable[..., Tensor] = torch.compile(self.supernet) if self.descent.compile else self.supernet

    def _descend_weights(self) -> None:
        d = self.descent
        import_dynamo()
        self._sgd = torch.optim.SGD(
            self._weights, d.learning_rate, momentum=d.momentum, weight_decay=d.weight_decay, nesterov=d.nesterov
        )

    def _momentum(self) -> list[Tensor | None]:
        return [self._sgd.state[weight].get("momentum_buffer") for weight in self._weights]

    def _descend_architecture(self) -> None:
        d = self.descent
        groups = [
            {"params": [leaf], **self.relaxation.optimizer_options(name)}
            for name, leaf in self.relaxation.parameters.items()
        ]
        self._adam: torch.optim.Optimizer
        if self.transform is not None:
            self._adam = torch.optim.SGD(groups, lr=1.0)
            return
        self._adam = torch.optim.Adam(
            groups,
            d.architecture_learning_rate,
            betas=d.architecture_betas,
            weight_decay=d.architecture_weight_decay,
        )

    def _enter(self, epoch: Epoch) -> None:
        """What changes when a stage begins."""
        number, stage = epoch.moment.stage, epoch.stage
        before = list(self.relaxation.parameters.values())
        if stage.keep is not None:
            self.relaxation.keep(stage.keep)
        self.relaxation.begin(epoch.moment)
        if stage.restart:
            self._build(number)
        elif stage.partial != self.stages[self.stage].partial:
            wider = self.factory(stage.partial, derive_seed(self.seed, "supernet", "wider", number)).to(self._device)
            momentum = widen(self.supernet, wider, self._momentum(), derive_seed(self.seed, "widening", number))
            self.supernet = wider
            self._arrange()
            self._descend_weights()
            for weight, buffer in zip(self._weights, momentum, strict=True):
                if buffer is not None:
                    self._sgd.state[weight]["momentum_buffer"] = buffer
        self.stage = number
        after = list(self.relaxation.parameters.values())
        if len(before) != len(after) or any(one is not two for one, two in zip(before, after, strict=True)):
            self._descend_architecture()

    # Steps ----------------------------------------------------------------------------------------------------------

    def advance(self) -> dict[str, Any]:
        """A chunk of steps. Its event: ``epoch`` (from 1), ``stage``, ``step`` (of the epoch, from 1) and the means
        since the epoch began, under augmentation: ``train_loss``, ``train_accuracy`` (percent; weights),
        ``validation_loss``, ``validation_accuracy`` (architecture; missing in warm-up). At the end of an epoch also
        ``learning_rate``, the weight of every objective, what the relaxation and :class:`Health` report, ``weights``
        (mean mixing weights per kind of cell, rows are edges), ``architecture``, and ``warning``, a sentence, where the
        search has just collapsed."""
        assert not self.done
        chunk = self._plan[self.steps_done]
        epoch, moment = chunk.epoch, chunk.epoch.moment
        if chunk.first == 0:
            self._sums = {}
            if moment.stage != self.stage:
                self._enter(epoch)
        self.relaxation.begin(moment)
        self.supernet.train()
        for group in self._sgd.param_groups:
            group["lr"] = self.learning_rate(epoch)
        for step in range(chunk.first, chunk.last):
            self._step(epoch, step, chunk.steps)
        self.steps_done += 1
        event: dict[str, Any] = {"epoch": moment.epoch + 1, "stage": moment.stage + 1, "step": chunk.last}
        for name in ("train", "validation"):
            if self._sums.get(f"{name}_images"):
                images = self._sums[f"{name}_images"]
                event[f"{name}_loss"] = self._sums[f"{name}_loss"] / images
                event[f"{name}_accuracy"] = 100 * self._sums[f"{name}_right"] / images
        return event | self._look(epoch) if chunk.last == chunk.steps else event

    def learning_rate(self, epoch: Epoch) -> float:
        """Of the weights."""
        high, low = self.descent.learning_rate, self.descent.final_learning_rate
        return low + (high - low) * (1 + math.cos(math.pi * epoch.cosine_at / epoch.cosine_of)) / 2

    def _step(self, epoch: Epoch, step: int, steps: int) -> None:
        moment, number = epoch.moment, epoch.moment.epoch * steps + step
        self.supernet.prepare(moment, self._draw(moment, step, "supernet"))
        if epoch.joint:
            self._step_both(*self._batch("both", number), moment, step)
            return
        train = self._batch("weights", number)
        if moment.frozen:
            self._step_weights(*train, moment, step)
        elif self.descent.first == "weights":
            self._step_weights(*train, moment, step)
            self._step_architecture(*self._batch("architecture", number), moment, step, train)
        else:
            self._step_architecture(*self._batch("architecture", number), moment, step, train)
            self._step_weights(*train, moment, step)

    def _batch(self, name: str, number: int) -> tuple[Tensor, Tensor]:
        batch = self._batches[name](number).to(self._device, channels_last=self.descent.channels_last)
        return batch.inputs[0], batch.target

    def _draw(self, moment: Moment, step: int, who: str) -> torch.Generator:
        return generator(self.seed, "mixing", who, moment.epoch, step)

    def _evaluate(
        self, x_BCHW: Tensor, labels_B: Tensor, weights: MixingWeights, moment: Moment, step: int = 0
    ) -> Evaluated:
        weights = {kind: value.to(self._device) for kind, value in weights.items()}
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.descent.bf16):
            logits_BK = self._call(x_BCHW, weights, sparse=True)
        return Evaluated(self.supernet, self.relaxation, weights, x_BCHW, logits_BK, labels_B, moment, step)

    def _step_weights(self, x_BCHW: Tensor, labels_B: Tensor, moment: Moment, step: int) -> None:
        self._require(weights=True)
        with torch.no_grad():
            samples = self.relaxation.samples(self._draw(moment, step, "weights"))
        self._sgd.zero_grad(set_to_none=False)
        for weights in samples:
            evaluated = self._evaluate(x_BCHW, labels_B, weights, moment, step)
            loss = total(self.weight_objectives, evaluated) / len(samples)
            self._record("train", loss, evaluated, moment, step, len(samples))
            loss.backward()
        self._move_weights()

    def _move_weights(self) -> None:
        for weight in self._weights:  # every weight decays, also those of operations that did not run
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        if self.descent.clip_norm:
            nn.utils.clip_grad_norm_(self._weights, self.descent.clip_norm)
        self._sgd.step()

    def _step_architecture(
        self,
        x_BCHW: Tensor,
        labels_B: Tensor,
        moment: Moment,
        step: int,
        train: tuple[Tensor, Tensor],
    ) -> None:
        leaves = list(self.relaxation.parameters.values())
        if self.descent.order == 2:
            gradients = self._second_order((x_BCHW, labels_B), train, moment, step, leaves)
        else:
            self._require(weights=False)
            gradients = self._architecture_gradients(x_BCHW, labels_B, moment, step, leaves)
        self._move_architecture(leaves, gradients)

    def _move_architecture(self, leaves: list[Tensor], gradients: Sequence[Tensor]) -> None:
        if self.transform is not None:
            moment = self._plan[self.steps_done].epoch.moment
            gradients = self.transform(gradients, leaves, moment)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient.to(leaf)
        self._adam.step()

    def _architecture_gradients(
        self, x_BCHW: Tensor, labels_B: Tensor, moment: Moment, step: int, leaves: list[Tensor]
    ) -> list[Tensor]:
        """Of the mean loss over all samples. The supernet's part goes through a copy of the mixing weights, so that
        each sample's graph is freed before the next one runs."""
        samples = self.relaxation.samples(self._draw(moment, step, "architecture"))
        found = [torch.zeros_like(leaf) for leaf in leaves]
        for weights in samples:
            cut = {kind: value.detach().to(self._device).requires_grad_() for kind, value in weights.items()}
            evaluated = self._evaluate(x_BCHW, labels_B, cut, moment, step)
            loss = total(self.objectives, evaluated) / len(samples)
            self._record("validation", loss, evaluated, moment, step, len(samples))
            gradients = _grad(loss, [*cut.values(), *leaves])
            of_weights = [g.to(w) for g, w in zip(gradients, weights.values(), strict=False)]
            through = [value for value in weights.values() if value.requires_grad]
            onwards = [g for g, value in zip(of_weights, weights.values(), strict=True) if value.requires_grad]
            inner = torch.autograd.grad(through, leaves, onwards, allow_unused=True, retain_graph=True)
            for at, (direct, chained) in enumerate(zip(gradients[len(cut) :], inner, strict=True)):
                found[at] += direct if chained is None else direct + chained
        return found

    def _second_order(
        self,
        valid: tuple[Tensor, Tensor],
        train: tuple[Tensor, Tensor],
        moment: Moment,
        step: int,
        leaves: list[Tensor],
    ) -> list[Tensor]:
        self._require(weights=True)

        def loss(batch: tuple[Tensor, Tensor], objectives: tuple[Objective, ...], record: bool) -> Tensor:
            samples = self.relaxation.samples(self._draw(moment, step, "architecture"))
            losses = []
            for weights in samples:
                evaluated = self._evaluate(*batch, weights, moment, step)
                losses.append(total(objectives, evaluated) / len(samples))
                if record:
                    self._record("validation", losses[-1], evaluated, moment, step, len(samples))
            return torch.stack(losses).sum()

        group = self._sgd.param_groups[0]
        return unrolled_gradient(
            lambda: loss(train, self.weight_objectives, False),
            lambda: loss(valid, self.objectives, True),
            self._weights,
            leaves,
            learning_rate=group["lr"],
            momentum=self.descent.momentum,
            weight_decay=self.descent.weight_decay,
            buffers=self._momentum(),
        )

    def _step_both(self, x_BCHW: Tensor, labels_B: Tensor, moment: Moment, step: int) -> None:
        """Weights and architecture from one batch (``level`` single)."""
        self._require(weights=True)
        leaves = list(self.relaxation.parameters.values())
        samples = self.relaxation.samples(self._draw(moment, step, "both"))
        found = [torch.zeros_like(leaf) for leaf in leaves]
        self._sgd.zero_grad(set_to_none=False)
        for weights in samples:
            evaluated = self._evaluate(x_BCHW, labels_B, weights, moment, step)
            loss = total(self.objectives, evaluated) / len(samples)
            self._record("train", loss, evaluated, moment, step, len(samples))
            gradients = _grad(loss, [*leaves, *self._weights], retain_graph=True)
            for gradient, value in zip(gradients, found, strict=False):
                value += gradient
            for weight, gradient in zip(self._weights, gradients[len(leaves) :], strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
        self._move_weights()
        self._move_architecture(leaves, found)

    def _require(self, weights: bool) -> None:
        """Weights need no gradients while the architecture is moved."""
        for weight in self._weights:
            weight.requires_grad_(weights)

    def _record(self, name: str, loss: Tensor, evaluated: Evaluated, moment: Moment, step: int, samples: int) -> None:
        value, images = samples * float(loss.detach()), len(evaluated.labels_B)
        if not math.isfinite(value):
            raise NascenceError(
                f"The {name} loss became {value} in epoch {moment.epoch + 1}, step {step + 1}; try a smaller learning "
                f"rate, such as --set learning_rate={self.descent.learning_rate / 10:g}."
            )
        right = int((evaluated.logits_BK.detach().argmax(1) == evaluated.labels_B).sum())
        for key, more in (("images", images), ("loss", value * images), ("right", right)):
            self._sums[f"{name}_{key}"] = self._sums.get(f"{name}_{key}", 0.0) + more / samples

    # What is seen from outside ----------------------------------------------------------------------------------------

    def _look(self, epoch: Epoch) -> dict[str, Any]:
        """The end of an epoch."""
        weights, architecture = self.relaxation.mean(), self.relaxation.derive(self.budget)
        images = _first(self.valid, self.descent.check_images)
        accuracies = {}
        if len(images) > 1 and self.descent.check_images:
            accuracies["supernet_accuracy"] = self._accuracy(weights, images)
            accuracies["derived_accuracy"] = self._accuracy(self.space.one_hot(architecture), images)
        before = self.health is not None and self.health.collapse is not None
        self.health = examine(self.space, weights, architecture, **accuracies)
        warning = None if before or epoch.moment.frozen else self.health.collapse
        rounded = {kind: [[round(w, 5) for w in row] for row in value.tolist()] for kind, value in weights.items()}
        return {
            "learning_rate": self.learning_rate(epoch),
            **{f"{each.name}_weight": each.schedule(epoch.moment) for each in self.objectives},
            **self.relaxation.observed(),
            **{name: value for each in self.objectives for name, value in each.observed(architecture).items()},
            **self.health.event(),
            "weights": rounded,
            "architecture": self.space.format(architecture),
            **({"warning": f"Epoch {epoch.moment.epoch + 1}: {warning}"} if warning else {}),
        }

    @torch.no_grad()
    def _accuracy(self, weights: MixingWeights, images: ImageSet) -> float:
        """In percent, with the statistics of each batch, as in training; running statistics are left alone."""
        buffers = {name: value.clone() for name, value in self.supernet.named_buffers()}
        right = 0
        moment = self._plan[self.steps_done - 1].epoch.moment
        for x_BCHW, y_B in zip(images.images.split(256), images.labels.split(256), strict=True):
            x_BCHW = shrink(self.task.normalise(x_BCHW), self.descent.image_size).to(self._device)
            with self.supernet.undropped():
                logits_BK = self._evaluate(x_BCHW, y_B, weights, moment).logits_BK
            right += int((logits_BK.argmax(1).cpu() == y_B).sum())
        for name, value in self.supernet.named_buffers():
            value.copy_(buffers[name])
        return 100 * right / len(images)

    def derive(self) -> Architecture:
        assert self.done
        return self.relaxation.derive(self.budget)

    def findings(self) -> dict[str, Any]:
        collapse = None if self.health is None else self.health.collapse
        told = {name: value for each in self.objectives for name, value in each.findings(self.derive()).items()}
        return {"collapsed": collapse is not None, **({"collapse": collapse} if collapse else {}), **told}

    def expected_seconds(self) -> float:
        """How long the steps from here to the end take on this machine, from two pairs of steps that are taken back."""
        chunk = next((each for each in self._plan if not each.epoch.moment.frozen), self._plan[0])
        state = self.state_dict()
        self.supernet.train()
        for step in range(2):  # the first one warms up
            began = time.perf_counter()
            self._step(chunk.epoch, step, chunk.steps)
            seconds = time.perf_counter() - began
        self.load_state_dict(state)
        return seconds * sum(each.last - each.first for each in self._plan[self.steps_done :])

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "stage": self.stage,
            "settings": self._settings(),
            "supernet": {name: value.detach().clone() for name, value in self.supernet.state_dict().items()},
            "momentum": [None if buffer is None else buffer.clone() for buffer in self._momentum()],
            "relaxation": self.relaxation.state_dict(),
            "adam": [
                {name: value.clone() for name, value in self._adam.state[leaf].items()}
                for leaf in self.relaxation.parameters.values()
            ],
            "transform": None if self.transform is None else self.transform.state_dict(),
            "sums": dict(self._sums),
            "health": None if self.health is None else vars(self.health).copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError`, with the differences, when the state is of a search with other settings."""
        now, then = self._settings(), state["settings"]
        different = [
            f"{name}: {then.get(name)} then, {now.get(name)} now" for name in now if now[name] != then.get(name)
        ]
        if different:
            raise RunError(f"This search was begun with other settings; {'; '.join(different)}.")
        self.steps_done = state["steps_done"]
        self._build(state["stage"])
        self.supernet.load_state_dict(state["supernet"])
        self.relaxation.load_state_dict(state["relaxation"])
        self.relaxation.begin(self._plan[max(0, self.steps_done - 1)].epoch.moment)
        self._descend_architecture()
        for weight, buffer in zip(self._weights, state["momentum"], strict=True):
            if buffer is not None:
                self._sgd.state[weight]["momentum_buffer"] = buffer.to(weight, copy=True)
        for leaf, moments in zip(self.relaxation.parameters.values(), state["adam"], strict=True):
            self._adam.state[leaf].update({name: value.clone() for name, value in moments.items()})
        if self.transform is not None:
            self.transform.load_state_dict(state["transform"])
        self._sums = dict(state["sums"])
        self.health = None if state["health"] is None else Health(**state["health"])

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a search to go on."""
        stages = " ".join(str(stage) for stage in self.stages)
        terms = " ".join(str(each) for each in (*self.objectives, *self.weight_objectives))
        descent = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.descent).items()}
        return {
            "stages": stages,
            "objectives": terms,
            "relaxation": type(self.relaxation).__name__,
            "parameters": self._parameters,
            "seed": self.seed,
            "chunk": self.chunk,
        } | {name: value for name, value in descent.items() if name not in ("device",)}


def _first(images: ImageSet, count: int | None) -> ImageSet:
    return images if count is None else ImageSet(images.images[:count], images.labels[:count])


def _grad(loss: Tensor, of: list[Tensor], retain_graph: bool = False) -> list[Tensor]:
    """Gradients, zero for what the loss does not depend on (a sampled cell may carry nothing at all)."""
    if not loss.requires_grad:
        return [torch.zeros_like(at) for at in of]
    found = torch.autograd.grad(loss, of, allow_unused=True, retain_graph=retain_graph)
    return [torch.zeros_like(at) if value is None else value for at, value in zip(of, found, strict=True)]


__all__ = ["BilevelDescent", "SupernetFactory"]
