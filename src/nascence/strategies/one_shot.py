"""One network for all: a supernet trained on one random architecture a step, and an evolution valued by its weights."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any, final

import torch

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.engine.compute import ON_CPU, Compute
from nascence.objectives import TaskLoss
from nascence.relaxations.uniform import UniformPath
from nascence.seeding import generator
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.base import Strategy
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.players import WeightsPlayer
from nascence.strategies.descent.settings import Descent, SearchData, WeightSteps
from nascence.strategies.descent.stages import Stage, timetable
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.pareto import Front
from nascence.strategies.sampling import draw_within
from nascence.supernets.base import Supernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.supernets.groups import placed
from nascence.tasks import Part, Task
from nascence.tasks.error import Error
from nascence.training.evaluation import Totals

_CHUNK = 20
_EVALUATED_AT_ONCE = 250
_PART = "one-shot"


@final
class OneShot:
    """A supernet whose weights serve every architecture (Guo et al., Single Path One-Shot, ECCV 2020, section 3.2).

    It is the game of descent in a stage that is all warm-up, with weights as its only player. Every step draws one
    architecture within the ``budget``, uniformly, and descends on the weights of its operations alone: SGD with
    momentum 0.9 along a cosine from ``learning_rate`` to 0, ``weight_decay`` on the weights that took part, gradients
    of norm 5 at most, batches of the task's training part, on the device of ``compute``. Batches and draws follow from
    ``seed`` and the number of the step. Raises :class:`DataError` when there are fewer examples than a batch.
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
        compute: Compute = ON_CPU,
    ) -> None:
        self.space, self.task, self.supernet, self.budget, self.seed = space, task, supernet, budget, seed
        steps = WeightSteps(learning_rate=learning_rate, final_learning_rate=0, weight_decay=weight_decay)
        descent = Descent(weights=steps, data=SearchData(batch_size=batch_size))
        paths = UniformPath(space, seed=seed, draw=lambda random: draw_within(space, budget, random)[0])
        parts = {_PART: task.part("train")}
        self.game = Game(task, paths, descent, parts, seed, compute, remedy="try another seed")
        self.weights = WeightsPlayer(self.game, (TaskLoss(),), resting=True)
        self._epochs = timetable([Stage(epochs=epochs, warmup=epochs)])
        self.total = epochs * self.game.passes(_PART)
        self.trained = 0
        use_quick_gradients(supernet)
        self.game.use(self.game.compute.place(supernet))
        self.weights.begin()

    def train(self, steps: int) -> dict[str, float]:
        """At most so many more. Mean ``train_loss`` and ``train_<metric>``, each batch under the architecture of its
        step. Raises :class:`NascenceError` when the loss is no finite number."""
        self.supernet.train()
        self.game.sums = {}
        last = min(self.trained + steps, self.total)
        while self.trained < last:
            self._step(self.trained)
            self.trained += 1
        self.game.check(self._epochs[(last - 1) // self.game.passes(_PART)].moment)
        return self.game.measures("train")

    def _step(self, number: int) -> None:
        one_pass = self.game.passes(_PART)
        turn = Turn(self._epochs[number // one_pass], number % one_pass, one_pass)
        self.weights.set_rate(self.game.descent.weights.rate(number, self.total))  # step by step, to 0
        self.weights.play(self.game.batch(_PART, number), turn, generator(self.seed, _PART, "path", number))

    def seconds(self) -> float:
        """How long a step takes here, measured; nothing is trained by it."""
        state = self.state_dict()
        self.supernet.train()
        numbers = [number % self.total for number in range(4)]
        times = [self.game.compute.time(partial(self._step, number)) for number in numbers]
        self.load_state_dict(state)
        return sum(times[1:]) / 3  # the first one warms up

    @torch.no_grad()
    def error(self, architecture: Architecture, part: Part) -> float:
        """The :class:`nascence.tasks.error.Error` of ``architecture`` on a part, with the supernet's weights.
        Normalisations take the statistics of these examples, batch by batch: the running ones are of all architectures
        together and fit none."""
        compute = self.game.compute
        weights = placed(self.space.one_hot(architecture), compute.device)
        buffers = {name: value.clone() for name, value in self.supernet.named_buffers()}
        self.supernet.train()
        totals = Totals()
        for batch in map(compute.place, part.passing(_at_once(len(part)))):
            with compute.autocast():
                output = self.supernet(*batch.inputs, weights=weights)
            totals.add(self.task.sums(output, batch))
        for name, value in self.supernet.named_buffers():
            value.copy_(buffers[name])
        return Error.of(self.task)(self.task.measures(totals.read()))

    def state_dict(self) -> dict[str, Any]:
        return {
            "trained": self.trained,
            "supernet": {name: value.detach().clone() for name, value in self.supernet.state_dict().items()},
            "momentum": [None if buffer is None else buffer.clone() for buffer in self.weights.momentum()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.trained = state["trained"]
        self.supernet.load_state_dict(state["supernet"])
        self.weights.begin()
        self.weights.set_momentum(state["momentum"], copy=True)


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
