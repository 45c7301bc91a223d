"""Which scores can be computed of which data, and of which networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from nascence.errors import SettingError
from nascence.scores import SCORES
from nascence.scores.aggregation import OWN, RankSum
from nascence.scores.base import Needs, Reads, Score, check_size
from nascence.scores.passes import blocks_of
from nascence.spaces import Space
from nascence.tasks.base import Signature, Task

_WORKS_ON: Mapping[Needs, str] = {
    "loss": "any data",
    "examples": "separate images or pictures",
    "images": "images with a class each",
}
_LACKING: Mapping[Reads, str] = {
    "blocks": "reads features after every block; the networks of {space} have no `blocks` or `cells`",
    "relus": "reads `nn.ReLU` modules; the networks of {space} have none",
    "regions": "needs a one-channel network without stem; {space} has none",
}


def applies(score: Score | type[Score], signature: Signature) -> bool:
    """Whether data of ``signature`` have what ``score`` needs."""
    return {"loss": True, "examples": signature.domain == "images", "images": signature.classes}[score.needs]


def readable(space: Space, signature: Signature) -> frozenset[Reads]:
    """What scores can read of the networks of ``space``, as those of all first and of all last options show it."""
    size = next(iter(space.networks.values()))
    ends = [space.architecture([choice.options[at] for choice in space.choices]) for at in (0, -1)]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        networks = [space.assemble(end, size, signature) for end in ends]
    has: dict[Reads, bool] = {
        "output": True,
        "blocks": all(len(blocks_of(network)) > 1 for network in networks),
        "relus": any(isinstance(module, nn.ReLU) for network in networks for module in network.modules()),
        "regions": "regions" in space.networks,
    }
    return frozenset(what for what, there in has.items() if there)


def lacking(score: Score | type[Score], space: Space, has: frozenset[Reads]) -> str | None:
    """What ``score`` misses in networks of ``space`` that have what is :func:`readable`; None where nothing."""
    return None if score.reads in has else f"{score.name} {_LACKING[score.reads].format(space=space.name)}"


def check(score: Score, space: Space, task: Task, has: frozenset[Reads] | None = None) -> None:
    """Raise :class:`SettingError` where ``score`` cannot be computed for ``task``, saying why and which scores can, or
    where ``space`` has no networks of the size that it looks at, or with what it reads. A score of ReLUs has a value
    without any, its worst. ``has``: what is :func:`readable`, where it is known."""
    if not applies(score, task.signature):
        others = [name for name in SCORES.names() if applies(SCORES.get(name), task.signature)]
        raise SettingError(
            f"The score {score.name} works on {_WORKS_ON[score.needs]}: {score.because}. '{task.name}' is other data; "
            f"scores for it: {', '.join(others)}."
        )
    if score.reads in ("blocks", "regions"):
        lacks = lacking(score, space, readable(space, task.signature) if has is None else has)
        if lacks is not None:
            raise SettingError(f"{lacks}.")
    size = getattr(score, "network", None)
    if size is not None:
        check_size(space, size)


def fitting(aggregate: RankSum, space: Space, task: Task, has: frozenset[Reads]) -> tuple[RankSum, str | None]:
    """The aggregate, and of our own the parts that find what they need in the data and the networks, with a sentence
    where that is not all. Another one without all of its parts would be another ranking than its paper's: its scores
    say why they cannot be computed. ``has``: what is :func:`readable`."""
    if aggregate.name != OWN:
        return aggregate, None
    fit = aggregate.of(lambda name: applies(SCORES.get(name), task.signature))
    kept = fit.of(lambda name: lacking(SCORES.get(name), space, has) is None)
    if len(kept.parts) == len(aggregate.parts):
        return kept, None
    why = f"'{task.name}' has no images with a class each"
    if len(fit.parts) == len(aggregate.parts):
        left = ", ".join(part.score for part in fit.parts if part not in kept.parts)
        why = f"Networks of {space.name} have not what {left} read"
    return kept, f"{why}: {OWN} ranks by {', '.join(part.score for part in kept.parts)} alone, untried."


__all__ = ["applies", "check", "fitting", "lacking", "readable"]
