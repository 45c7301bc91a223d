"""Several networks that answer together: drawn from a distribution over architectures, chosen on held-out data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.relaxations.posterior import entropy_share
from nascence.seeding import generator
from nascence.strategies.base import Strategy
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.svgd import Logits, draw, svgd_rd

WANTED_SHARE = (0.3, 0.7)
"""Between which shares of the largest entropy a posterior is neither flat nor decided (reconstruction)."""
_TRIES = 50
_UNLIKELY = -1e6


class Sampler(ABC):
    """Draws sets of architectures from a distribution over the rows of choice groups."""

    @abstractmethod
    def sets(self, logits: Logits, count: int, random: torch.Generator) -> list[dict[str, Tensor]]:
        """``count`` one-hot weights [R, O] per group; two may be the same."""


@final
@dataclass(frozen=True)
class MonteCarlo(Sampler):
    """Independent draws."""

    def sets(self, logits: Logits, count: int, random: torch.Generator) -> list[dict[str, Tensor]]:
        return [draw(logits, random) for _ in range(count)]


@final
@dataclass(frozen=True)
class SVGDRD(Sampler):
    """:func:`nascence.strategies.svgd.svgd_rd`."""

    diversity: float = 0.5
    sigma: float = 0.5
    steps: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.9

    def sets(self, logits: Logits, count: int, random: torch.Generator) -> list[dict[str, Tensor]]:
        return svgd_rd(
            logits,
            count,
            self.diversity,
            random,
            sigma=self.sigma,
            steps=self.steps,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
        )


Posterior = Callable[[], Sequence[Logits]]
"""What the descent ended with: one or several distributions, of which the one of middling entropy is taken."""


@final
class EnsembleSearch(Strategy):
    """``descent`` first; then ``draws`` sets of ``size`` architectures from its posterior, of which that with the
    smallest loss of the combined answers on the architecture's data, with the supernet's weights, is the result.

    Works on the posterior of any finished relaxation: ``posterior`` gives its logits. Normalisations take the
    statistics of the data anew for every architecture. Members are distinct: what a sampler repeats is drawn anew.
    Raises :class:`SettingError` where the space has fewer architectures than an ensemble has members.
    """

    def __init__(
        self,
        descent: BilevelDescent,
        posterior: Posterior,
        sampler: Sampler,
        *,
        size: int,
        draws: int,
        seed: int,
    ) -> None:
        if size > descent.space.size:
            raise SettingError(
                f"An ensemble of {size} different networks needs more than the {descent.space.size} architectures of "
                f"{descent.space.name}; ask for a smaller one."
            )
        self.descent, self.posterior, self.sampler = descent, posterior, sampler
        self.size, self.draws, self.seed = size, draws, seed
        self.total_steps = descent.total_steps + draws
        self.ensembles: list[tuple[float, tuple[Architecture, ...]]] = []
        """Loss on held-out data, and members."""
        self._outputs: dict[Architecture, list[Tensor]] = {}

    def advance(self) -> dict[str, Any]:
        """A step of the descent, or one ensemble: ``part`` (``supernet`` or ``ensembles``), and there ``draw``,
        ``ensemble`` (texts) and ``ensemble_loss``."""
        if not self.descent.done:
            event = {"part": "supernet", **self.descent.advance()}
            event.pop("warning", None)  # about the likeliest architecture alone, which is not the result
        else:
            at = len(self.ensembles)
            members = self._members(at)
            loss = self._loss(members)
            self.ensembles.append((loss, members))
            space = self.descent.space
            event = {
                "part": "ensembles",
                "draw": at + 1,
                "ensemble": [space.format(member) for member in members],
                "ensemble_loss": loss,
            }
        self.steps_done += 1
        return event

    def logits(self) -> Logits:
        """Of the posterior whose entropy is nearest to the middle of :data:`WANTED_SHARE`, the first of several."""
        middle = sum(WANTED_SHARE) / 2
        return min(self.posterior(), key=lambda logits: abs(entropy_share(logits) - middle))

    def _members(self, at: int) -> tuple[Architecture, ...]:
        logits = self.logits()
        random = generator(self.seed, "ensemble", at)
        members: list[Architecture] = []
        for one_hot in self.sampler.sets(logits, self.size, random):
            self._add(members, one_hot, logits)
        for _ in range(_TRIES * self.size):
            if len(members) == self.size:
                break
            self._add(members, draw(logits, random), logits)
        space = self.descent.space
        while len(members) < self.size:  # a posterior that is sure of everything
            found = space.sample(random)
            if space.canonical(found) not in map(space.canonical, members) and self.descent.budget.allows(found):
                members.append(found)
        return tuple(members)

    def _add(self, members: list[Architecture], one_hot: Logits, logits: Logits) -> None:
        """The architecture of the drawn options, where it is a new one; among rows that compete (edges into a node),
        those of the likelier options stay."""
        space = self.descent.space
        scores = {
            name: torch.where(value.bool(), logits[name].log_softmax(-1), torch.full_like(value, _UNLIKELY))
            for name, value in one_hot.items()
        }
        found = self.descent.budget.best(space.choice_scores(scores))
        if space.canonical(found) not in map(space.canonical, members):
            members.append(found)

    @torch.no_grad()
    def _loss(self, members: Sequence[Architecture]) -> float:
        """The mean loss of the combined outputs."""
        task, total, count = self.descent.task, 0.0, 0.0
        outputs = [self._outputs_of(member) for member in members]
        for at, batch in enumerate(
            self.descent.valid.passing(_AT_ONCE, image_size=self.descent.descent.data.image_size)
        ):
            combined = task.combine([each[at] for each in outputs])
            here = float(task.sums(combined, batch)["count"])
            total, count = total + here * float(task.loss(combined, batch)), count + here
        return total / count

    def _outputs_of(self, architecture: Architecture) -> list[Tensor]:
        """Batch by batch, with the statistics of each batch; running ones are left alone."""
        if architecture not in self._outputs:
            game, space = self.descent.game, self.descent.space
            weights = space.one_hot(architecture)
            buffers = {name: value.clone() for name, value in game.supernet.named_buffers()}
            game.supernet.train()
            moment = self.descent.last_moment
            found = []
            with game.supernet.undropped():
                for batch in self.descent.valid.passing(_AT_ONCE, image_size=self.descent.descent.data.image_size):
                    found.append(game.evaluate(batch.to(game.device), weights, moment).output.cpu())
            for name, value in game.supernet.named_buffers():
                value.copy_(buffers[name])
            self._outputs[architecture] = found
        return self._outputs[architecture]

    def ensemble(self) -> tuple[Architecture, ...]:
        """The members of the best ensemble, in the order in which they were drawn."""
        assert self.done
        return min(self.ensembles, key=lambda pair: pair[0])[1]

    def derive(self) -> Architecture:
        """The member that is best by itself."""
        return min(self.ensemble(), key=lambda member: self._loss([member]))

    def findings(self) -> dict[str, Any]:
        losses = [loss for loss, _ in self.ensembles]
        return {
            "posterior_entropies": [round(entropy_share(logits), 4) for logits in self.posterior()],
            "ensemble_losses": losses,
        }

    def expected_seconds(self) -> float:
        """Of the descent; drawing takes little beside it."""
        return self.descent.expected_seconds()

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "descent": self.descent.state_dict(),
            "ensembles": [(loss, [member.answers for member in members]) for loss, members in self.ensembles],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.descent.load_state_dict(state["descent"])
        space = self.descent.space
        self.ensembles = [
            (loss, tuple(space.architecture(answers) for answers in members)) for loss, members in state["ensembles"]
        ]


_AT_ONCE = 256
Kind = Literal["mc", "svgd-rd"]

__all__ = ["SVGDRD", "WANTED_SHARE", "EnsembleSearch", "Kind", "MonteCarlo", "Sampler"]
