"""What the players of a descent share: the supernet, the relaxation, batches by number, and the sums of an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.engine.compute import Compute
from nascence.errors import NascenceError, SettingError
from nascence.objectives import Evaluated
from nascence.relaxations import Relaxation
from nascence.schedules import Moment
from nascence.seeding import generator
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Epoch
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights, placed
from nascence.tasks.base import Batch, Batches, Part, Task
from nascence.training.evaluation import wide, wide_type


@final
@dataclass(frozen=True)
class Turn:
    """Step ``step`` of ``steps`` of an epoch."""

    epoch: Epoch
    step: int
    steps: int

    @property
    def moment(self) -> Moment:
        return self.epoch.moment


@final
class Game:
    """The state that all players see. ``parts``: those that batches are taken from, by name, which batches follow from.
    ``compute``: where the supernet and its batches are; the relaxation's parameters stay on the CPU. ``remedy``: what
    to try where a loss is no finite number, None for a smaller learning rate."""

    supernet: Supernet

    def __init__(
        self,
        task: Task,
        relaxation: Relaxation,
        descent: Descent,
        parts: Mapping[str, Part],
        seed: int,
        compute: Compute | None = None,
        *,
        remedy: str | None = None,
    ) -> None:
        rate = descent.weights.learning_rate / 10
        self._remedy = remedy or f"try a smaller learning rate, such as --set learning_rate={rate:g}"
        self.task, self.relaxation, self.descent, self.seed = task, relaxation, descent, seed
        self.compute = computing(descent, compute)
        if descent.data.batch_size < 2 * self.compute.world:
            raise SettingError(
                f"{self.compute.world} processes cannot share batches of {descent.data.batch_size}; give a larger "
                "batch_size, or fewer --processes."
            )
        self.device = self.compute.device
        self._batches: dict[str, Batches] = {
            name: part.batches(descent.data.batch_size, seed, name, image_size=descent.data.image_size)
            for name, part in parts.items()
        }
        self.sums: dict[str, Any] = {}
        self._mine: dict[str, Tensor] = {}  # sums over this process's shares that the others do not know yet
        self._losses: list[tuple[str, int, Tensor]] = []

    def use(self, supernet: Supernet) -> None:
        """``supernet`` from now on."""
        self.supernet = supernet
        self.weights: list[nn.Parameter] = list(supernet.parameters())
        self._call: Callable[..., Any] = self.compute.compiled(supernet)

    def passes(self, name: str) -> int:
        """Batches in a pass over a part."""
        return len(self._batches[name])

    def batch(self, name: str, number: int) -> Batch:
        """This process's share of batch ``number``."""
        return self.compute.take(self._batches[name](number))

    def average(self, gradients: Iterable[Tensor], batch: Batch) -> None:
        """Gradients of a share of a batch become those of the whole one, in all processes."""
        self.compute.average(gradients, batch.part)

    def averaged(self, gradients: list[Tensor], batch: Batch) -> list[Tensor]:
        """The same, of copies."""
        if self.compute.world > 1:
            gradients = [value.clone() for value in gradients]
            self.average(gradients, batch)
        return gradients

    def draw(self, turn: Turn, who: str) -> torch.Generator:
        """Random numbers that follow from the turn and from who asks."""
        return generator(self.seed, "mixing", who, turn.moment.epoch, turn.step)

    def require(self, weights: bool) -> None:
        """The network's weights need no gradients while the architecture is moved."""
        for weight in self.weights:
            weight.requires_grad_(weights)

    def evaluate(self, batch: Batch, weights: MixingWeights, moment: Moment, step: int = 0) -> Evaluated:
        weights = placed(weights, self.device)
        with self.compute.autocast():
            output = self._call(*batch.inputs, weights=weights, sparse=True)
        return Evaluated(self.task, self.supernet, self.relaxation, weights, batch, output, moment, step)

    def record(self, name: str, loss: Tensor, evaluated: Evaluated, samples: int = 1) -> None:
        """Add a loss (of one of ``samples`` sub-networks, already divided by their number) and what the task sums.

        Sums stay on the device. A loss that is not finite raises :class:`NascenceError`: at once on the CPU, elsewhere
        when :meth:`check` asks, since looking at it would make the device wait.
        """
        value = samples * wide(loss.detach())
        if self.device.type == "cpu":
            self._refuse(name, evaluated.step, float(value), evaluated.moment)
        else:
            self._losses.append((name, evaluated.step, value))
        sums = self.task.sums(evaluated.output, evaluated.batch)
        sums["loss"] = value * sums["count"]
        known: dict[str, Any] = self.sums if self.compute.world == 1 else self._mine
        for key, more in sums.items():
            own = more.to(wide_type(self.device)) / samples * evaluated.batch.counts
            known[f"{name}_{key}"] = known.get(f"{name}_{key}", 0.0) + own

    def gather(self) -> None:
        """Of several processes: sums become those of all, and the network's running statistics their mean."""
        for name, value in self.compute.add(self._mine).items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self._mine = {}
        self.compute.agree(self.supernet.buffers())

    def check(self, moment: Moment) -> None:
        """Raise :class:`NascenceError` for the first loss since the last call that is not finite."""
        if self._losses:  # one look at all of them
            values = torch.stack([value for _, _, value in self._losses]).tolist()
            for (name, step, _), value in zip(self._losses, values, strict=True):
                self._refuse(name, step, value, moment)
        self._losses.clear()

    def _refuse(self, name: str, step: int, value: float, moment: Moment) -> None:
        if not math.isfinite(value):
            raise NascenceError(
                f"The {name} loss became {value} in epoch {moment.epoch + 1}, step {step + 1}; {self._remedy}."
            )

    def load_sums(self, sums: Mapping[str, Any]) -> None:
        """As :attr:`sums` was, or as version 1 kept them (numbers, and images for what is counted)."""
        named = {name.replace("_images", "_count"): value for name, value in sums.items()}
        wanted = {name: torch.as_tensor(value, dtype=torch.float64).clone() for name, value in named.items()}
        self.sums = {name: value.to(self.device, wide_type(self.device)) for name, value in wanted.items()}

    def measures(self, name: str) -> dict[str, Any]:
        """Mean loss and the metric of what was recorded under ``name``; empty where nothing was."""
        count = float(self.sums.get(f"{name}_count", 0.0))
        if not count:
            return {}
        sums = {key.removeprefix(f"{name}_"): value for key, value in self.sums.items() if key.startswith(f"{name}_")}
        metric = self.task.metric.name
        return {
            f"{name}_loss": float(sums["loss"]) / count,
            f"{name}_{metric}": self.task.measures(sums)[metric],
        }

    @torch.no_grad()
    def measure(self, weights: MixingWeights, part: Part, moment: Moment) -> float:
        """The metric on ``part`` under mixing weights, with the statistics of each batch, as in training; running
        statistics are left alone."""
        buffers = {name: value.clone() for name, value in self.supernet.named_buffers()}
        sums: dict[str, Any] = {}
        for batch in part.passing(256, image_size=self.descent.data.image_size):
            with self.supernet.undropped():
                evaluated = self.evaluate(self.compute.place(batch), weights, moment)
            for key, more in self.task.sums(evaluated.output, evaluated.batch).items():
                sums[key] = sums.get(key, 0) + more
        for name, value in self.supernet.named_buffers():
            value.copy_(buffers[name])
        return float(self.task.measures(sums)[self.task.metric.name])


def computing(descent: Descent, compute: Compute | None = None) -> Compute:
    """``compute``, with what the settings of a descent say about it; they alone where there is none."""
    if compute is None:
        compute = Compute.choose(descent.compute.device)
    own = descent.compute
    precision = "bf16" if own.bf16 else compute.precision
    return replace(compute, precision=precision, channels_last=own.channels_last, compile=own.compile)


__all__ = ["Game", "Turn", "computing"]
