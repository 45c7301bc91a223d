"""The players of a descent: who takes which step on which batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.libraries import import_dynamo
from nascence.objectives import Objective, terms, total
from nascence.strategies.descent.architecture_gradient import GradientTransform
from nascence.strategies.descent.combination import Combination
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.unrolled import unrolled_gradient
from nascence.tasks.base import Batch


class Player(ABC):
    """Somebody beside weights and architecture: an adversary, an augmentation policy.

    In every turn in which weights move, :meth:`transform` may change their batch before their step, and :meth:`play`
    takes the player's own step after it.
    """

    name: str
    averages: ClassVar[bool] = False
    """Whether shares of a batch, one for each of several processes, serve it as the whole batch does."""

    def begin(self, game: Game) -> None:  # noqa: B027 - most need no more than the turn
        """Called before the first turn and whenever the supernet is a new one."""

    def transform(self, batch: Batch, game: Game, turn: Turn) -> Batch:
        """What the weights are trained on instead of ``batch``."""
        return batch

    @abstractmethod
    def play(self, batch: Batch, game: Game, turn: Turn) -> None:
        """Its own step; ``batch`` is what the weights were trained on."""

    def observed(self) -> dict[str, Any]:
        """Numbers for the event of an epoch."""
        return {}

    def findings(self) -> dict[str, Any]:
        """For the record of the finished search."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most have no state
        pass


@final
class WeightsPlayer:
    """The supernet's weights: SGD or Adam on the mean loss over all sub-networks that the relaxation draws for a
    step. ``resting``: weights of operations that did not run stay as they are; else they decay, and follow their
    momentum."""

    def __init__(self, game: Game, objectives: Sequence[Objective], *, resting: bool = False) -> None:
        self.game, self.objectives, self.resting = game, tuple(objectives), resting

    def begin(self) -> None:
        """A fresh optimizer for the present supernet."""
        d = self.game.descent.weights
        import_dynamo()
        self.optimizer: torch.optim.Optimizer
        if d.optimizer == "adam":
            self.optimizer = torch.optim.Adam(self.game.weights, d.learning_rate, weight_decay=d.weight_decay)
            return
        self.optimizer = torch.optim.SGD(
            self.game.weights, d.learning_rate, momentum=d.momentum, weight_decay=d.weight_decay, nesterov=d.nesterov
        )

    def momentum(self) -> list[Tensor | None]:
        """SGD's; None per weight with another optimizer."""
        return [self.optimizer.state[weight].get("momentum_buffer") for weight in self.game.weights]

    def set_momentum(self, buffers: Sequence[Tensor | None], *, copy: bool = False) -> None:
        for weight, buffer in zip(self.game.weights, buffers, strict=True):
            if buffer is not None:
                self.optimizer.state[weight]["momentum_buffer"] = buffer.to(weight, copy=True) if copy else buffer

    def moments(self) -> list[dict[str, Tensor]]:
        """Copies of Adam's state, a dictionary per weight; empty with SGD."""
        if self.game.descent.weights.optimizer != "adam":
            return []
        return [
            {name: value.clone() for name, value in self.optimizer.state[weight].items()}
            for weight in self.game.weights
        ]

    def set_moments(self, moments: Sequence[Mapping[str, Tensor]]) -> None:
        for weight, kept in zip(self.game.weights, moments, strict=False):
            moved = {name: value.to(weight.device, copy=True) for name, value in kept.items() if name != "step"}
            self.optimizer.state[weight].update({**moved, "step": kept["step"].clone()} if kept else {})

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def play(self, batch: Batch, turn: Turn, random: torch.Generator | None = None) -> None:
        """A step on ``batch``. ``random``: what sub-networks are drawn by, None for what follows from the turn."""
        game = self.game
        game.require(weights=True)
        with torch.no_grad():
            samples = game.relaxation.samples(random or game.draw(turn, "weights"))
        self.optimizer.zero_grad(set_to_none=self.resting)
        for weights in samples:
            evaluated = game.evaluate(batch, weights, turn.moment, turn.step)
            loss = total(self.objectives, evaluated) / len(samples)
            game.record("train", loss, evaluated, len(samples))
            loss.backward()
        self.move(batch)

    def move(self, batch: Batch) -> None:
        """One step along the gradients that are there, of ``batch``."""
        for weight in self.game.weights:
            if weight.grad is None and not self.resting:
                weight.grad = torch.zeros_like(weight)
        self.game.average((weight.grad for weight in self.game.weights if weight.grad is not None), batch)
        if self.game.descent.weights.clip_norm:
            nn.utils.clip_grad_norm_(self.game.weights, self.game.descent.weights.clip_norm)
        self.optimizer.step()


@final
class ArchitecturePlayer:
    """The relaxation's parameters: Adam on the combination of the objectives, or plain SGD steps of what ``transform``
    makes of its gradient."""

    def __init__(
        self,
        game: Game,
        objectives: Sequence[Objective],
        combination: Combination,
        transform: GradientTransform | None = None,
    ) -> None:
        self.game, self.objectives = game, tuple(objectives)
        self.combination, self.transform = combination, transform

    def begin(self) -> None:
        """A fresh optimizer for the present parameters."""
        steps, relaxation = self.game.descent.architecture, self.game.relaxation
        groups = [
            {"params": [leaf], **relaxation.optimizer_options(name)} for name, leaf in relaxation.parameters.items()
        ]
        self.optimizer: torch.optim.Optimizer
        if not groups:  # nothing is learned of the architecture
            groups = [{"params": [torch.zeros(())]}]
        if self.transform is not None:
            self.optimizer = torch.optim.SGD(groups, lr=1.0)
            return
        self.optimizer = torch.optim.Adam(
            groups, steps.learning_rate, betas=steps.betas, weight_decay=steps.weight_decay
        )

    def state(self) -> list[dict[str, Tensor]]:
        """Of the optimizer, per parameter."""
        return [
            {name: value.clone() for name, value in self.optimizer.state[leaf].items()}
            for leaf in self.game.relaxation.parameters.values()
        ]

    def set_state(self, state: Sequence[Mapping[str, Tensor]]) -> None:
        for leaf, moments in zip(self.game.relaxation.parameters.values(), state, strict=True):
            self.optimizer.state[leaf].update({name: value.clone() for name, value in moments.items()})

    def play(self, batch: Batch, turn: Turn) -> None:
        """A first-order step: the weights stand for the best ones. Where nothing is learned, only the loss is told."""
        if not self.game.relaxation.parameters:
            self._tell(batch, turn)
            return
        self.game.require(weights=False)
        self.move(self._gradients(batch, turn), turn)

    def play_unrolled(
        self, batch: Batch, train: Batch, turn: Turn, weights: WeightsPlayer, train_objectives: Sequence[Objective]
    ) -> None:
        """A second-order step, through one virtual step of the weights on ``train``."""
        game = self.game
        game.require(weights=True)
        leaves = list(game.relaxation.parameters.values())

        def gradients(loss: Tensor) -> list[Tensor]:
            return gradient_of(loss, leaves, retain_graph=True)

        def loss(batch: Batch, combine: Callable[[list[Tensor]], Tensor] | None, record: bool) -> Tensor:
            samples = game.relaxation.samples(game.draw(turn, "architecture"))
            losses = []
            for sample in samples:
                evaluated = game.evaluate(batch, sample, turn.moment, turn.step)
                if combine is None:
                    losses.append(total(train_objectives, evaluated) / len(samples))
                else:
                    losses.append(combine(terms(self.objectives, evaluated)) / len(samples))
                if record:
                    game.record("validation", losses[-1], evaluated, len(samples))
            return torch.stack(losses).sum()

        found = unrolled_gradient(
            lambda: loss(train, None, False),
            lambda: loss(batch, lambda parts: self.combination.loss(parts, gradients), True),
            game.weights,
            leaves,
            learning_rate=weights.optimizer.param_groups[0]["lr"],
            momentum=game.descent.weights.momentum,
            weight_decay=game.descent.weights.weight_decay,
            buffers=weights.momentum(),
        )
        self.move(found, turn)

    def play_together(self, batch: Batch, turn: Turn, weights: WeightsPlayer) -> None:
        """Weights and architecture from one batch."""
        game = self.game
        game.require(weights=True)
        leaves = list(game.relaxation.parameters.values())
        samples = game.relaxation.samples(game.draw(turn, "both"))
        found = [torch.zeros_like(leaf) for leaf in leaves]
        weights.optimizer.zero_grad(set_to_none=False)
        for sample in samples:
            evaluated = game.evaluate(batch, sample, turn.moment, turn.step)
            parts = terms(self.objectives, evaluated)
            combined = self.combination.loss(
                parts, lambda loss: game.averaged(gradient_of(loss, leaves, retain_graph=True), batch)
            )
            loss = combined / len(samples)
            game.record("train", loss, evaluated, len(samples))
            gradients = gradient_of(loss, [*leaves, *game.weights], retain_graph=True)
            for gradient, value in zip(gradients, found, strict=False):
                value += gradient
            for weight, gradient in zip(game.weights, gradients[len(leaves) :], strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
        weights.move(batch)
        game.average(found, batch)
        self.move(found, turn)

    def move(self, gradients: Sequence[Tensor], turn: Turn) -> None:
        """One step along (or what ``transform`` makes of) gradients, one per parameter."""
        leaves = list(self.game.relaxation.parameters.values())
        if self.transform is not None:
            gradients = self.transform(gradients, leaves, turn.moment)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient.to(leaf)
        self.optimizer.step()

    @torch.no_grad()
    def _tell(self, batch: Batch, turn: Turn) -> None:
        samples = self.game.relaxation.samples(self.game.draw(turn, "architecture"))
        for weights in samples:
            evaluated = self.game.evaluate(batch, weights, turn.moment, turn.step)
            self.game.record("validation", total(self.objectives, evaluated) / len(samples), evaluated, len(samples))

    def _gradients(self, batch: Batch, turn: Turn) -> list[Tensor]:
        """Of the mean loss over all samples. The supernet's part goes through a copy of the mixing weights, so that
        each sample's graph is freed before the next one runs."""
        game = self.game
        leaves = list(game.relaxation.parameters.values())
        samples = game.relaxation.samples(game.draw(turn, "architecture"))
        found = [torch.zeros_like(leaf) for leaf in leaves]
        for weights in samples:
            values = list({id(value): value for value in weights.values()}.values())  # tied groups have one tensor
            copies = {id(value): value.detach().requires_grad_() for value in values}
            cut = {name: copies[id(value)] for name, value in weights.items()}

            def through(
                loss: Tensor,
                retain_graph: bool,
                cut: list[Tensor] = list(copies.values()),  # noqa: B006 - as they are now
                values: list[Tensor] = values,
            ) -> list[Tensor]:
                gradients = gradient_of(loss, [*cut, *leaves], retain_graph=retain_graph)
                of_values = gradients[: len(cut)]
                made = [value for value in values if value.requires_grad]
                onwards = [g for g, value in zip(of_values, values, strict=True) if value.requires_grad]
                inner = torch.autograd.grad(made, leaves, onwards, allow_unused=True, retain_graph=True)
                direct = gradients[len(cut) :]
                return [d if chained is None else d + chained for d, chained in zip(direct, inner, strict=True)]

            evaluated = game.evaluate(batch, cut, turn.moment, turn.step)
            parts = terms(self.objectives, evaluated)

            def whole(loss: Tensor, through: Callable[..., list[Tensor]] = through) -> list[Tensor]:
                return game.averaged(through(loss, retain_graph=True), batch)

            loss = self.combination.loss(parts, whole) / len(samples)
            game.record("validation", loss, evaluated, len(samples))
            for value, more in zip(found, through(loss, retain_graph=False), strict=True):
                value += more
        game.average(found, batch)
        return found


def gradient_of(loss: Tensor, of: list[Any], retain_graph: bool = False) -> list[Tensor]:
    """Gradients, zero for what the loss does not depend on (a sampled cell may carry nothing at all)."""
    if not loss.requires_grad:
        return [torch.zeros_like(at) for at in of]
    found = torch.autograd.grad(loss, of, allow_unused=True, retain_graph=retain_graph)
    return [torch.zeros_like(at) if value is None else value for at, value in zip(of, found, strict=True)]


__all__ = ["ArchitecturePlayer", "Player", "WeightsPlayer", "gradient_of"]
