"""Method and space where the user names none: by what the data are."""

from __future__ import annotations

from typing import Any

from nascence.api.inputs import settled
from nascence.tasks import Task

OWN = "own"
"""The form of presets for networks of one's own, such as ``laptop-own``, and what stands for the space until the data
are read."""
USUAL_OWN_METHOD = "dmasking"
"""What searches among the networks that are left of one's own, unless something else is named."""
USUAL = ("te-nas", "nas-bench-201")
"""Method and space for images."""
_BY_DOMAIN = {"graph": ("sane", "sane")}
_DENSE = ("mod-nas", "unfold-dense")
"""For pictures to restore."""
_LARGER = ("trilevel-sr", "path-tree-small")
"""For pictures to make larger."""


def usual(task: Task, method: str | None, space: str | None) -> tuple[str, str]:
    """``method`` and ``space``, with what is usual for data of the task's kind in place of None."""
    signature = task.signature
    own = _BY_DOMAIN.get(signature.domain, USUAL)
    if signature.domain == "images" and signature.dense:
        own = _LARGER if signature.scale > 1 else _DENSE
    return method or own[0], space or own[1]


def named(
    method: str | None, space: str | None, source: dict[str, Any], *, own: bool, download: bool
) -> tuple[str, str, dict[str, Any], Task | None]:
    """Method and space with what is usual in place of None, :data:`OWN` for a network of one's ``own``; the data's
    source; and the task, where its data had to be read to know."""
    if own:
        return method or USUAL_OWN_METHOD, OWN, source, None
    if method is not None and space is not None:
        return method, space, source, None
    source, task = settled(source, download)
    return *usual(task, method, space), source, task


__all__ = ["OWN", "USUAL", "USUAL_OWN_METHOD", "named", "usual"]
