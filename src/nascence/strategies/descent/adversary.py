"""A player who turns the weights' training images into the worst ones within reach."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from nascence.attacks import Attack, Ball
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.players import Player
from nascence.tasks.base import Batch


@final
class Adversary(Player):
    """Weights learn from x + delta alone, delta = attack(x) of at most ``eps`` in pixel units: min_w max_delta L.

    The attack sees the supernet in training mode, under the sub-networks that the weights' step will run and on the
    statistics of its batch; nothing is dropped meanwhile, and running statistics are left alone. The architecture's
    batches are not attacked.
    """

    name = "adversary"
    averages = True

    def __init__(self, attack: Attack, eps: float) -> None:
        self.attack, self.eps = attack, eps

    def transform(self, batch: Batch, game: Game, turn: Turn) -> Batch:
        with torch.no_grad():
            samples = game.relaxation.samples(game.draw(turn, "weights"))

        def victim(x_BCHW: Tensor) -> tuple[Tensor, None]:
            attacked = Batch((x_BCHW,), batch.target, batch.mask)
            losses = [
                game.task.loss(game.evaluate(attacked, weights, turn.moment, turn.step).output, attacked)
                for weights in samples
            ]
            return torch.stack(losses).mean(), None

        buffers = {name: value.clone() for name, value in game.supernet.named_buffers()}
        game.require(weights=False)
        ball = Ball(batch.inputs[0], game.task.box(), self.eps)
        with game.supernet.undropped():
            x_BCHW = self.attack(ball, victim, game.draw(turn, self.name))
        for name, value in game.supernet.named_buffers():
            value.copy_(buffers[name])
        return replace(batch, inputs=(x_BCHW,))

    def play(self, batch: Batch, game: Game, turn: Turn) -> None:
        """It has played when it made the images."""


__all__ = ["Adversary"]
