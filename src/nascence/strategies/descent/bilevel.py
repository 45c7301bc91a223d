"""Bilevel descent: the supernet's weights on one part of the data, its architecture on the other (DARTS, ICLR 2019).

min_a L_valid(w*(a), a)  with  w*(a) = argmin_w L_train(w, a)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from nascence.architecture import Architecture
from nascence.configuration import to_json
from nascence.costs.budget import BudgetChecker
from nascence.engine.compute import Compute
from nascence.errors import RunError
from nascence.objectives import Objective, TaskLoss
from nascence.relaxations import Relaxation
from nascence.schedules import Moment
from nascence.seeding import derive_seed
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies.base import Strategy
from nascence.strategies.descent.architecture_gradient import GradientTransform
from nascence.strategies.descent.collapse import Health, examine
from nascence.strategies.descent.combination import Combination, Sum
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.players import ArchitecturePlayer, Player, WeightsPlayer
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Epoch, Stage, chunked, timetable
from nascence.supernets.base import Supernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.supernets.cells.widening import widen
from nascence.tasks.base import Batch, Part, Task

SupernetFactory = Callable[[int, int], Supernet]
"""(K of partial channels, seed) -> a supernet."""

_RENAMED = {"CrossEntropy(": "TaskLoss("}
"""Objectives in checkpoints of version 1, and what they are called now."""


@final
class BilevelDescent(Strategy):
    """Descends on weights and architecture in turn, one batch each, through ``stages``; then derives the architecture.

    One :meth:`advance` is up to ``chunk`` steps of one epoch; the last one of an epoch also looks at the
    architecture. Batches, samples and weights follow from ``seed`` and the number of the step: a resumed search is the
    same to the bit. Steps of the architecture train no weights, and steps of the weights no architecture. Inside
    :meth:`advance` a loss that is not finite raises :class:`NascenceError`.

    ``combination``: how the ``objectives`` of the architecture become one. With ``transform`` the architecture takes
    plain SGD steps of what it returns, instead of Adam's. ``players``: who else takes part, in this order. Stages that
    are all warm-up train weights alone.

    Raises :class:`DataError` when a batch is larger than a half, :class:`SettingError` when a stage does not fit the
    space, :class:`BudgetError` when nothing is within the budget.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        task: Task,
        relaxation: Relaxation,
        supernet: SupernetFactory,
        *,
        stages: Sequence[Stage],
        descent: Descent,
        objectives: Sequence[Objective] = (TaskLoss(),),
        weight_objectives: Sequence[Objective] = (TaskLoss(),),
        combination: Combination | None = None,
        transform: GradientTransform | None = None,
        players: Sequence[Player] = (),
        budget: BudgetChecker,
        seed: int,
        chunk: int = 20,
        compute: Compute | None = None,
    ) -> None:
        self.chunk, self.players = chunk, tuple(players)
        self.space, self.task, self.relaxation, self.factory = space, task, relaxation, supernet
        self.stages, self.descent, self.budget, self.seed = tuple(stages), descent, budget, seed
        self.train, self.valid = divided(task, descent, seed)
        parts = {"weights": self.train, "architecture": self.valid, "both": task.union([self.train, self.valid])}
        self.game = Game(task, relaxation, descent, parts, seed, compute)
        self.weights = WeightsPlayer(self.game, weight_objectives)
        self.architecture = ArchitecturePlayer(self.game, objectives, combination or Sum(), transform)
        self._plan = chunked(timetable(self.stages), self._steps_of, chunk)
        self.total_steps = len(self._plan)
        self.steps_done = 0
        self.health: Health | None = None
        relaxation.begin(self._plan[0].epoch.moment)
        self._parameters = ", ".join(relaxation.parameters)  # as they are at the beginning; stages may change them
        relaxation.derive(budget)  # a budget that nothing meets is refused before the search
        self._build(0)

    @property
    def supernet(self) -> Supernet:
        """The network of the present stage."""
        return self.game.supernet

    def _steps_of(self, epoch: Epoch) -> int:
        if epoch.joint:
            return self._passes("both", 2)
        if epoch.architecture_alone:
            return self._passes("architecture")
        return self._passes("weights") + (self._passes("architecture") if self._apart(epoch) else 0)

    def _passes(self, name: str, halves: int = 1) -> int:
        """Steps of an epoch on a part."""
        one_pass, data = self.game.passes(name), self.descent.data
        if data.epoch_images is None:
            return one_pass
        return min(one_pass, max(1, round(halves * data.epoch_images / data.batch_size)))

    def _apart(self, epoch: Epoch) -> bool:
        """Whether weights take all their steps of an epoch before the architecture does."""
        by_epochs = self.descent.architecture.alternate == "epoch"
        return by_epochs and epoch.stage.level == "bilevel" and not epoch.moment.frozen

    # Parts that begin with a stage ---------------------------------------------------------------------------------

    def _build(self, stage: int) -> None:
        """A fresh network and optimizers, as stage number ``stage`` has them."""
        self.stage = stage
        seed = derive_seed(self.seed, "supernet", sum(each.restart for each in self.stages[: stage + 1]))
        self._use(self.factory(self.stages[stage].partial, seed))
        self.architecture.begin()

    def _use(self, supernet: Supernet) -> None:
        use_quick_gradients(supernet)
        self.game.use(self.game.compute.place(supernet))
        self.weights.begin()
        for player in self.players:
            player.begin(self.game)

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
            narrow = self.supernet
            wider = self.factory(stage.partial, derive_seed(self.seed, "supernet", "wider", number))
            wider = wider.to(self.game.device)
            momentum = widen(narrow, wider, self.weights.momentum(), derive_seed(self.seed, "widening", number))
            self._use(wider)
            self.weights.set_momentum(momentum)
        self.stage = number
        after = list(self.relaxation.parameters.values())
        if len(before) != len(after) or any(one is not two for one, two in zip(before, after, strict=True)):
            self.architecture.begin()

    # Steps ----------------------------------------------------------------------------------------------------------

    def advance(self) -> dict[str, Any]:
        """A chunk of steps. Its event: ``epoch`` (from 1), ``stage``, ``step`` (of the epoch, from 1) and the means
        since the epoch began, under augmentation: ``train_loss`` and the task's metric, its name behind ``train_``
        (weights), ``validation_loss`` and the like (architecture; missing in warm-up). At the end of an epoch also
        ``learning_rate``, the weight of every objective, what relaxation, players and :class:`Health` report,
        ``weights`` (mean mixing weights per group), ``architecture``, and ``warning``, a sentence, where the search has
        just collapsed."""
        assert not self.done
        chunk = self._plan[self.steps_done]
        epoch, moment = chunk.epoch, chunk.epoch.moment
        if chunk.first == 0:
            self.game.sums = {}
            if moment.stage != self.stage:
                self._enter(epoch)
        self.relaxation.begin(moment)
        self.supernet.train()
        self.weights.set_rate(self.learning_rate(epoch))
        for step in range(chunk.first, chunk.last):
            self._step(Turn(epoch, step, chunk.steps))
        self.game.check(moment)
        self.game.gather()
        self.steps_done += 1
        event: dict[str, Any] = {"epoch": moment.epoch + 1, "stage": moment.stage + 1, "step": chunk.last}
        for name in ("train", "validation"):
            event |= self.game.measures(name)
        return event | self._look(epoch) if chunk.last == chunk.steps else event

    @property
    def last_moment(self) -> Moment:
        """Of the last step that was done, or of the first."""
        return self._plan[max(0, self.steps_done - 1)].epoch.moment

    def learning_rate(self, epoch: Epoch) -> float:
        """Of the weights."""
        return self.descent.weights.rate(epoch.cosine_at, epoch.cosine_of)

    def _step(self, turn: Turn) -> None:
        """Whose steps a turn has: weights alone (warm-up), the architecture alone, both on one batch, one after the
        other on a batch each, or, where they alternate by epochs, either."""
        game, moment, step = self.game, turn.moment, turn.step
        self.supernet.prepare(moment, game.draw(turn, "supernet"))
        if turn.epoch.joint:
            batch = game.batch("both", moment.epoch * turn.steps + step)
            self.architecture.play_together(batch, turn, self.weights)
            return
        if self._apart(turn.epoch):
            mine = self._passes("weights")
            if step < mine:
                self._play_weights(game.batch("weights", moment.epoch * mine + step), turn)
            else:
                number = moment.moved * (turn.steps - mine) + step - mine
                self._play_architecture(game.batch("architecture", number), turn)
            return
        number = moment.epoch * turn.steps + step
        if turn.epoch.architecture_alone:
            self._play_architecture(game.batch("architecture", number), turn)
            return
        train = game.batch("weights", number)
        if moment.frozen:
            self._play_weights(train, turn)
        elif self.descent.architecture.first == "weights":
            self._play_weights(train, turn)
            self._play_architecture(game.batch("architecture", number), turn, train)
        else:
            self._play_architecture(game.batch("architecture", number), turn, train)
            self._play_weights(train, turn)

    def _play_weights(self, batch: Batch, turn: Turn) -> None:
        for player in self.players:
            batch = player.transform(batch, self.game, turn)
        self.weights.play(batch, turn)
        for player in self.players:
            player.play(batch, self.game, turn)

    def _play_architecture(self, batch: Batch, turn: Turn, train: Batch | None = None) -> None:
        if self.descent.architecture.order == 2:
            if train is None:
                train = self.game.batch("weights", turn.moment.epoch * turn.steps + turn.step)
            self.architecture.play_unrolled(batch, train, turn, self.weights, self.weights.objectives)
        else:
            self.architecture.play(batch, turn)

    # What is seen from outside ----------------------------------------------------------------------------------------

    def _look(self, epoch: Epoch) -> dict[str, Any]:
        """The end of an epoch."""
        weights, architecture = self.relaxation.mean(), self.relaxation.derive(self.budget)
        part = self.valid.first(self.descent.data.check_images)
        measured = {}
        if len(part) > 1 and self.descent.data.check_images:
            measured["supernet"] = self.game.measure(weights, part, epoch.moment)
            measured["derived"] = self.game.measure(self.space.one_hot(architecture), part, epoch.moment)
        before = self.health is not None and self.health.collapse is not None
        self.health = examine(self.space, weights, architecture, self.task.metric, **measured)
        warning = None if before or epoch.moment.frozen else self.health.collapse
        rounded = {name: [[round(w, 5) for w in row] for row in value.tolist()] for name, value in weights.items()}
        return {
            "learning_rate": self.learning_rate(epoch),
            **{f"{each.title(self.task)}_weight": each.schedule(epoch.moment) for each in self.architecture.objectives},
            **self.relaxation.observed(),
            **{name: v for each in self.architecture.objectives for name, v in each.observed(architecture).items()},
            **self.architecture.combination.observed(),
            **{name: v for player in self.players for name, v in player.observed().items()},
            **self.health.event(),
            "weights": rounded,
            "architecture": self.space.format(architecture),
            **({"warning": f"Epoch {epoch.moment.epoch + 1}: {warning}"} if warning else {}),
        }

    def derive(self) -> Architecture:
        assert self.done
        return self.relaxation.derive(self.budget)

    def findings(self) -> dict[str, Any]:
        collapse = None if self.health is None else self.health.collapse
        objectives = self.architecture.objectives
        told = {name: value for each in objectives for name, value in each.findings(self.derive()).items()}
        told |= {name: value for player in self.players for name, value in player.findings().items()}
        return {"collapsed": collapse is not None, **({"collapse": collapse} if collapse else {}), **told}

    @property
    def averages(self) -> bool:
        """Where all that is learned follows from gradients that are means over a batch."""
        return self.descent.architecture.order == 1 and all(player.averages for player in self.players)

    def expected_seconds(self) -> float:
        """How long the steps from here to the end take on this machine, from two pairs of steps that are taken back.
        For one process alone."""
        chunk = next((each for each in self._plan if not each.epoch.moment.frozen), self._plan[0])
        state = self.state_dict()
        self.supernet.train()
        for step in range(2):  # the first one warms up
            turn = Turn(chunk.epoch, step, chunk.steps)
            seconds = self.game.compute.time(lambda turn=turn: self._step(turn))  # type: ignore[misc]
        self.load_state_dict(state)
        return seconds * sum(each.last - each.first for each in self._plan[self.steps_done :])

    def state_dict(self) -> dict[str, Any]:
        transform = self.architecture.transform
        return {
            "steps_done": self.steps_done,
            "stage": self.stage,
            "settings": self._settings(),
            "supernet": {name: value.detach().clone() for name, value in self.supernet.state_dict().items()},
            **({"moments": moments} if (moments := self.weights.moments()) else {}),
            "momentum": [None if buffer is None else buffer.clone() for buffer in self.weights.momentum()],
            "relaxation": self.relaxation.state_dict(),
            "adam": self.architecture.state(),
            "transform": None if transform is None else transform.state_dict(),
            "players": [player.state_dict() for player in self.players],
            "sums": {name: value.clone() for name, value in self.game.sums.items()},
            "health": None if self.health is None else self.health.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError`, with the differences, when the state is of a search with other settings."""
        self._compare(state["settings"])
        self.steps_done = state["steps_done"]
        self._build(state["stage"])
        self.supernet.load_state_dict(state["supernet"])
        self.relaxation.load_state_dict(state["relaxation"])
        self.relaxation.begin(self.last_moment)
        self.architecture.begin()
        self.weights.set_momentum(state["momentum"], copy=True)
        self.weights.set_moments(state.get("moments", ()))
        self.architecture.set_state(state["adam"])
        if self.architecture.transform is not None:
            self.architecture.transform.load_state_dict(state["transform"])
        for player, kept in zip(self.players, state.get("players", ()), strict=True):
            player.load_state_dict(kept)
        self.game.load_sums(state["sums"])
        self.health = None if state["health"] is None else Health.load(state["health"], self.task.metric)

    def _compare(self, then: Mapping[str, Any]) -> None:
        now = self._settings()
        then = dict(then)
        for old, new in _RENAMED.items():
            then["objectives"] = str(then.get("objectives")).replace(old, new)
        usual = to_json(Descent())
        different = [
            f"{name}: {before} then, {value} now"
            for name, value in now.items()
            for before in (then.get(name, usual.get(name)),)
            if value != before
        ]
        if different:
            raise RunError(f"This search was begun with other settings; {'; '.join(different)}.")

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a search to go on."""
        return {
            "stages": " ".join(str(stage) for stage in self.stages),
            "objectives": " ".join(str(each) for each in (*self.architecture.objectives, *self.weights.objectives)),
            "relaxation": type(self.relaxation).__name__,
            "parameters": self._parameters,
            "seed": self.seed,
            "chunk": self.chunk,
        } | {name: value for name, value in to_json(self.descent).items() if name not in ("device",)}


def divided(task: Task, descent: Descent, seed: int) -> tuple[Part, Part]:
    """The data of weights and of architecture."""
    if descent.data.architecture == "validation":
        train, valid = task.part("train"), task.part("validation")
    else:
        train, valid = task.divided(descent.data.weights_share, seed)
    return train.first(descent.data.train_images), valid.first(descent.data.valid_images)


__all__ = ["BilevelDescent", "SupernetFactory", "divided"]
