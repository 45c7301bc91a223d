"""A distribution over augmentation policies as a player: score-function gradients, rewarded by how well an augmented
gradient agrees with the validation gradient.

DAAS (Wang, Chu, Yan & Yang, arXiv 2109.15273) could not be read beyond its abstract; what follows is our dossier's
reconstruction, with the baseline and the normalisation of DDAS's public code.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.libraries import import_dynamo
from nascence.schedules import Constant, Schedule
from nascence.seeding import generator
from nascence.strategies.descent.game import Game, Turn
from nascence.strategies.descent.players import Player
from nascence.tasks.base import Batch
from nascence.tasks.image_classification import image_classes
from nascence.tasks.image_operations import IMAGE_OPERATIONS
from nascence.tasks.policy import Policy, Step, SubPolicy, apply_steps

BINS = 10
"""Strengths: the middles of so many equal parts of [0, 1]."""
STEPS = 2
_NORM = 0.01


@final
@dataclass(frozen=True)
class DrawnPolicy:
    """One sub-policy: per step the positions of its operation and strength, and whether it was applied."""

    operations: tuple[int, ...]
    strengths: tuple[int, ...]
    applied: tuple[bool, ...]


class PolicyDistribution:
    """p(tau) = prod over steps s of softmax(o_s)[k] softmax(m_sk)[strength] Bernoulli(chance_sk).

    ``logits``: ``operations`` [2, 15], ``strengths`` [2, 15, 10], ``chances`` [2, 15]; a step is applied with the
    chance least + (1 - least) sigmoid(logit), so that no policy does nothing.
    """

    def __init__(self, least: float = 0.35) -> None:
        self.least = least
        count = len(IMAGE_OPERATIONS.names())
        self.logits = {
            "operations": torch.zeros(STEPS, count, requires_grad=True),
            "strengths": torch.zeros(STEPS, count, BINS, requires_grad=True),
            "chances": torch.zeros(STEPS, count, requires_grad=True),
        }

    def chances(self) -> Tensor:
        """[2, 15]."""
        return self.least + (1 - self.least) * self.logits["chances"].sigmoid()

    def draw(self, random: torch.Generator) -> DrawnPolicy:
        operations, strengths, applied = [], [], []
        for step in range(STEPS):
            p = self.logits["operations"][step].detach().softmax(-1)
            operations.append(int(torch.multinomial(p, 1, generator=random)))
            q = self.logits["strengths"][step, operations[-1]].detach().softmax(-1)
            strengths.append(int(torch.multinomial(q, 1, generator=random)))
            chance = float(self.chances()[step, operations[-1]].detach())
            applied.append(float(torch.rand((), generator=random)) < chance)
        return DrawnPolicy(tuple(operations), tuple(strengths), tuple(applied))

    def steps(self, drawn: DrawnPolicy) -> list[Step]:
        """What the sub-policy does to an image."""
        names = IMAGE_OPERATIONS.names()
        return [
            (names[k], 1.0, (m + 0.5) / BINS)
            for k, m, applied in zip(drawn.operations, drawn.strengths, drawn.applied, strict=True)
            if applied
        ]

    def log_probability(self, drawn: DrawnPolicy) -> Tensor:
        """Differentiable in the logits."""
        total = self.logits["operations"].new_zeros(())
        chances = self.chances()
        for step, (k, m, applied) in enumerate(zip(drawn.operations, drawn.strengths, drawn.applied, strict=True)):
            chance = chances[step, k]
            total = total + self.logits["operations"][step].log_softmax(-1)[k]
            total = total + self.logits["strengths"][step, k].log_softmax(-1)[m]
            total = total + (chance if applied else 1 - chance).clamp_min(1e-6).log()
        return total

    def entropy(self) -> Tensor:
        """Of the operations and, where they are chosen, of the strengths; in nats."""
        p = self.logits["operations"].softmax(-1)
        of_operations = torch.special.entr(p).sum()
        of_strengths = (p * torch.special.entr(self.logits["strengths"].softmax(-1)).sum(-1)).sum()
        return of_operations + of_strengths

    def probabilities(self) -> dict[str, float]:
        """Per operation the mean over the steps of its probability."""
        mean = self.logits["operations"].detach().softmax(-1).mean(0)
        return dict(zip(IMAGE_OPERATIONS.names(), mean.tolist(), strict=True))

    def policy(self, count: int = 25) -> Policy:
        """The ``count`` likeliest pairs of operations, weighted by their probabilities, with the learned chances and
        the expected strengths."""
        p = self.logits["operations"].detach().softmax(-1)
        strengths = (self.logits["strengths"].detach().softmax(-1) * ((torch.arange(BINS) + 0.5) / BINS)).sum(-1)
        chances = self.chances().detach()
        names = IMAGE_OPERATIONS.names()
        pairs = (p[0][:, None] * p[1][None]).flatten()
        best = pairs.topk(min(count, len(pairs)))
        subs = []
        for weight, at in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            picked = divmod(at, len(names))
            steps = [(names[k], float(chances[s, k]), float(strengths[s, k])) for s, k in enumerate(picked)]
            subs.append(SubPolicy(tuple(steps), weight))
        return Policy(tuple(subs))


def score_gradient(
    distribution: PolicyDistribution,
    drawn: Sequence[DrawnPolicy],
    rewards: Sequence[float],
    baseline: float,
    entropy: float,
) -> Tensor:
    """A scalar whose gradient is that of -E[R] - entropy H: -sum_i (R_i - b) / sum_j |R_j - b| log p(tau_i) - ..."""
    advantages = [reward - baseline for reward in rewards]
    size = sum(abs(value) for value in advantages) or 1.0
    terms = [value / size * distribution.log_probability(each) for value, each in zip(advantages, drawn, strict=True)]
    return -torch.stack(terms).sum() - entropy * distribution.entropy()


@final
class PolicyPlayer(Player):
    """Augments the weights' batch in ``chunks`` parts by a sub-policy each, one part left as it is; then rewards each
    by <grad L_val, grad L_train(part)>, from two passes at w +- eps v for all parts at once.

    ``learning_rate``: of Adam on the logits. ``entropy``: weight of the entropy of the distribution. While the
    architecture is frozen, or while less than the share ``wait`` of the search is over, the policy is the uniform one.
    Raises :class:`SettingError` for data
    that are no images with classes.
    """

    name = "policy"

    def __init__(
        self,
        *,
        chunks: int = 8,
        learning_rate: float = 5e-3,
        entropy: Schedule = Constant(1e-3),
        wait: float = 0.2,
        least: float = 0.35,
        sub_policies: int = 25,
        seed: int = 0,
    ) -> None:
        if chunks < 2:
            raise SettingError(f"A batch is divided into at least 2 parts, one of them left as it is; not {chunks}.")
        self.distribution = PolicyDistribution(least)
        self.chunks, self.entropy, self.wait, self.seed = chunks, entropy, wait, seed
        self.sub_policies = sub_policies
        import_dynamo()
        self._adam = torch.optim.Adam(self.distribution.logits.values(), learning_rate, betas=(0.5, 0.999))
        self._drawn: list[DrawnPolicy] = []
        self._last: dict[str, float] = {}

    def begin(self, game: Game) -> None:
        image_classes(game.task, "An augmentation policy")

    def _parts(self, size: int) -> list[range]:
        """The rows of every part; the first is left as it is."""
        bounds = [round(at * size / self.chunks) for at in range(self.chunks + 1)]
        return [range(one, two) for one, two in itertools.pairwise(bounds)]

    def transform(self, batch: Batch, game: Game, turn: Turn) -> Batch:
        box = image_classes(game.task, "An augmentation policy").box()
        random = generator(self.seed, "policy", turn.moment.epoch, turn.step)
        (x_BCHW,) = batch.inputs
        pixels = box.pixels(x_BCHW).clamp(0, 1).cpu()
        self._drawn, changed = [], [pixels[: len(self._parts(len(pixels))[0])]]
        for rows in self._parts(len(pixels))[1:]:
            drawn = self.distribution.draw(random)
            self._drawn.append(drawn)
            changed.append(apply_steps(pixels[rows.start : rows.stop], self.distribution.steps(drawn), random))
        low, high = box.bounds(x_BCHW)
        return Batch((torch.cat(changed).to(x_BCHW) * (high - low) + low,), batch.target, batch.mask)

    def play(self, batch: Batch, game: Game, turn: Turn) -> None:
        moment = turn.moment
        if moment.frozen or moment.share() < self.wait or len(batch.target) < self.chunks:
            return
        number = moment.epoch * turn.steps + turn.step
        validation = game.batch("architecture", number)
        game.require(weights=True)
        with torch.no_grad():
            mixing = game.relaxation.samples(game.draw(turn, "policy"))[0]
        buffers = {name: value.clone() for name, value in game.supernet.named_buffers()}
        rewards = self._rewards(batch, validation, game, turn, mixing)
        for name, value in game.supernet.named_buffers():
            value.copy_(buffers[name])
        loss = score_gradient(self.distribution, self._drawn, rewards[1:], rewards[0], self.entropy(moment))
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        mean = sum(rewards[1:]) / len(rewards[1:])
        self._last = {"policy_reward": mean, "plain_reward": rewards[0]}

    def _rewards(
        self, batch: Batch, validation: Batch, game: Game, turn: Turn, mixing: Mapping[str, Tensor]
    ) -> list[float]:
        """Per part <v, grad_w L(part)>, v the validation gradient: (L(w + eps v) - L(w - eps v)) / (2 eps), with
        eps = 0.01 / |v|. The statistics of the normalisation are those of the whole batch."""
        evaluated = game.evaluate(validation, mixing, turn.moment, turn.step)
        loss = game.task.loss(evaluated.output, validation)
        v = torch.autograd.grad(loss, game.weights, allow_unused=True)
        norm = float(torch.stack([g.square().sum() for g in v if g is not None]).sum().sqrt())
        if not norm:
            return [0.0] * self.chunks
        epsilon = _NORM / norm
        kept = [weight.detach().clone() for weight in game.weights]
        losses = []
        try:
            for sign in (1.0, -1.0):
                with torch.no_grad():
                    for weight, origin, direction in zip(game.weights, kept, v, strict=True):
                        if direction is not None:
                            weight.copy_(origin).add_(direction, alpha=sign * epsilon)
                    output = game.evaluate(batch, mixing, turn.moment, turn.step).output.double()
                losses.append([self._loss(output, batch, rows, game) for rows in self._parts(len(batch.target))])
        finally:
            with torch.no_grad():
                for weight, origin in zip(game.weights, kept, strict=True):
                    weight.copy_(origin)
        return [(up - down) / (2 * epsilon) for up, down in zip(*losses, strict=True)]

    @staticmethod
    def _loss(output: Tensor, batch: Batch, rows: range, game: Game) -> float:
        part = Batch((), batch.target[rows.start : rows.stop])
        each, _ = game.task.each(output[rows.start : rows.stop], part)
        return float(each.double().mean())

    def observed(self) -> dict[str, Any]:
        """``policy_entropy``, ``policy`` (probability of every operation), and the last rewards."""
        rounded = {name: round(value, 4) for name, value in self.distribution.probabilities().items()}
        return {"policy_entropy": float(self.distribution.entropy().detach()), "policy": rounded, **self._last}

    def findings(self) -> dict[str, Any]:
        return {"policy": self.distribution.policy(self.sub_policies).to_json()}

    def state_dict(self) -> dict[str, Any]:
        leaves = self.distribution.logits
        return {
            "logits": {name: value.detach().clone() for name, value in leaves.items()},
            "adam": [
                {name: value.clone() for name, value in self._adam.state[leaf].items()} for leaf in leaves.values()
            ],
            "last": dict(self._last),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for (name, leaf), moments in zip(self.distribution.logits.items(), state["adam"], strict=True):
            with torch.no_grad():
                leaf.copy_(state["logits"][name])
            self._adam.state[leaf].clear()
            self._adam.state[leaf].update({key: value.clone() for key, value in moments.items()})
        self._last = dict(state["last"])


__all__ = ["BINS", "DrawnPolicy", "PolicyDistribution", "PolicyPlayer", "score_gradient"]
