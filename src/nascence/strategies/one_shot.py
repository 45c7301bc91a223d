"""One network for all: a supernet trained on one random architecture a step, and an evolution valued by its weights."""

from __future__ import annotations

import math
import time
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import NascenceError
from nascence.libraries import import_dynamo
from nascence.seeding import generator
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.base import Strategy
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.pareto import Front
from nascence.strategies.sampling import draw_within
from nascence.supernets.base import Supernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.tasks import Part, Task
from nascence.tasks.error import Error
from nascence.training.evaluation import Totals, wide

_CHUNK = 20
_EVALUATED_AT_ONCE = 250


@final
class OneShot:
    """A supernet whose weights serve every architecture (Guo et al., Single Path One-Shot, ECCV 2020, section 3.2).

    Every step draws one architecture within the ``budget``, uniformly, and descends on the weights of its operations
    alone: SGD with momentum 0.9 along a cosine from ``learning_rate`` to 0, ``weight_decay`` on the weights that took
    part, gradients of norm 5 at most, batches of the task's training part. Batches and draws follow from ``seed`` and
    the number of the step. Raises :class:`DataError` when there are fewer examples than a batch.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        task: Task,
        supernet: Supernet,
        budget: BudgetChecker,
        *,
        epochs: int,
        batch_size: int = 64,
        learning_rate: float = 0.05,
        weight_decay: float = 3e-4,
        seed: int = 0,
    ) -> None:
        self.space, self.task, self.supernet, self.budget, self.seed = space, task, supernet, budget, seed
        self._batches = task.part("train").batches(batch_size, seed, "one-shot")
        self.total = epochs * len(self._batches)
        self.trained = 0
        self.learning_rate = learning_rate
        use_quick_gradients(supernet)
        import_dynamo()
        self._sgd = torch.optim.SGD(supernet.parameters(), learning_rate, momentum=0.9, weight_decay=weight_decay)

    def train(self, steps: int) -> dict[str, float]:
        """At most so many more. Mean ``train_loss`` and ``train_<metric>``, each batch under the architecture of its
        step. Raises :class:`NascenceError` when the loss is no finite number."""
        self.supernet.train()
        last = min(self.trained + steps, self.total)
        totals, metric = Totals(), self.task.metric.name
        while self.trained < last:
            totals.add(self._step(self.trained))
            self.trained += 1
        sums = totals.read()
        loss = sums.pop("loss") / sums["count"]
        return {"train_loss": loss, f"train_{metric}": self.task.measures(sums)[metric]}

    def _step(self, number: int) -> dict[str, Tensor]:
        architecture, _, _ = draw_within(self.space, self.budget, generator(self.seed, "one-shot", "path", number))
        batch = self._batches(number)
        for group in self._sgd.param_groups:
            group["lr"] = self.learning_rate * (1 + math.cos(math.pi * number / self.total)) / 2
        output = self.supernet(*batch.inputs, weights=self.space.one_hot(architecture))
        loss = self.task.loss(output, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NascenceError(f"The loss of the supernet became {value} in step {number + 1}; try another seed.")
        self._sgd.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.supernet.parameters(), 5.0)
        self._sgd.step()
        sums = self.task.sums(output, batch)
        return {**sums, "loss": wide(loss.detach()) * sums["count"]}

    def seconds(self) -> float:
        """How long a step takes here, measured; nothing is trained by it."""
        state, weights = self.state_dict(), {n: v.clone() for n, v in self.supernet.state_dict().items()}
        self.supernet.train()
        times = []
        for number in range(4):  # the first one warms up
            began = time.perf_counter()
            self._step(number)
            times.append(time.perf_counter() - began)
        self.load_state_dict({**state, "supernet": weights})
        return sum(times[1:]) / 3

    @torch.no_grad()
    def error(self, architecture: Architecture, part: Part) -> float:
        """The :class:`nascence.tasks.error.Error` of ``architecture`` on a part, with the supernet's weights.
        Normalisations take the statistics of these examples, batch by batch: the running ones are of all architectures
        together and fit none."""
        weights = self.space.one_hot(architecture)
        buffers = {name: value.clone() for name, value in self.supernet.named_buffers()}
        self.supernet.train()
        totals = Totals()
        for batch in part.passing(_at_once(len(part))):
            totals.add(self.task.sums(self.supernet(*batch.inputs, weights=weights), batch))
        for name, value in self.supernet.named_buffers():
            value.copy_(buffers[name])
        return Error.of(self.task)(self.task.measures(totals.read()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "trained": self.trained,
            "supernet": {name: value.detach().clone() for name, value in self.supernet.state_dict().items()},
            "momentum": [
                None if (buffer := self._sgd.state[weight].get("momentum_buffer")) is None else buffer.clone()
                for weight in self.supernet.parameters()
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.trained = state["trained"]
        self.supernet.load_state_dict(state["supernet"])
        self._sgd.state.clear()
        for weight, buffer in zip(self.supernet.parameters(), state["momentum"], strict=True):
            if buffer is not None:
                self._sgd.state[weight]["momentum_buffer"] = buffer.clone()


def _at_once(count: int) -> int:
    """At most 250 examples a batch, and so that no single one is left for the last, which has no statistics."""
    return next(size for size in range(min(_EVALUATED_AT_ONCE, count), 0, -1) if size == count or count % size != 1)


@final
class OneShotThenEvolution(Strategy):
    """First ``one_shot`` is trained, twenty steps at a time; then ``evolution`` runs, whose values inherit from it."""

    def __init__(self, one_shot: OneShot, evolution: NSGA2) -> None:
        self.one_shot, self.evolution = one_shot, evolution
        self.training_steps = math.ceil(one_shot.total / _CHUNK)
        self.total_steps = self.training_steps + evolution.total_steps

    def advance(self) -> dict[str, Any]:
        """Its event: ``part``: ``supernet`` or ``evolution``, and what that part tells."""
        if self.steps_done < self.training_steps:
            event = {"part": "supernet", **self.one_shot.train(_CHUNK), "step": self.one_shot.trained}
        else:
            event = {"part": "evolution", **self.evolution.advance()}
        self.steps_done += 1
        return event

    def derive(self) -> Architecture:
        """The front's knee."""
        return self.evolution.derive()

    def front(self) -> Front:
        return self.evolution.front()

    def expected_seconds(self) -> float:
        """Of both parts from here, from a few measured steps of training and one valuation, on one thread each."""
        one_shot, evolution = self.one_shot, self.evolution
        training = one_shot.seconds() * (one_shot.total - one_shot.trained)
        left = evolution.population * (evolution.generations + 1) * (1 - evolution.steps_done / evolution.total_steps)
        some, _, _ = draw_within(one_shot.space, one_shot.budget, generator(one_shot.seed, "one-shot", "seconds"))
        began = time.perf_counter()
        evolution.evaluate([some])
        return training + left * (time.perf_counter() - began) / torch.get_num_threads()

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "one_shot": self.one_shot.state_dict(),
            "evolution": self.evolution.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.one_shot.load_state_dict(state["one_shot"])
        self.evolution.load_state_dict(state["evolution"])


__all__ = ["OneShot", "OneShotThenEvolution"]
