"""Which scores can be computed of which data."""

from __future__ import annotations

from collections.abc import Mapping

from nascence.errors import SettingError
from nascence.scores import SCORES
from nascence.scores.base import Needs, Score, check_size
from nascence.spaces import Space
from nascence.tasks.base import Signature, Task

_WORKS_ON: Mapping[Needs, str] = {
    "loss": "any data",
    "examples": "separate images or pictures",
    "images": "images with a class each",
}


def applies(score: Score | type[Score], signature: Signature) -> bool:
    """Whether data of ``signature`` have what ``score`` needs."""
    return {"loss": True, "examples": signature.domain == "images", "images": signature.classes}[score.needs]


def check(score: Score, space: Space, task: Task) -> None:
    """Raise :class:`SettingError` where ``score`` cannot be computed for ``task``, saying why and which scores can, or
    where ``space`` has no networks of the size that it looks at."""
    if not applies(score, task.signature):
        others = [name for name in SCORES.names() if applies(SCORES.get(name), task.signature)]
        raise SettingError(
            f"The score {score.name} works on {_WORKS_ON[score.needs]}: {score.because}. '{task.name}' is other data; "
            f"scores for it: {', '.join(others)}."
        )
    size = getattr(score, "network", None)
    if size is not None:
        check_size(space, size)


__all__ = ["applies", "check"]
