"""Method and space where the user names none: by what the data are."""

from __future__ import annotations

from nascence.tasks import Task

USUAL = ("te-nas", "nas-bench-201")
"""Method and space for images."""
_BY_DOMAIN = {"graph": ("sane", "sane")}


def usual(task: Task, method: str | None, space: str | None) -> tuple[str, str]:
    """``method`` and ``space``, with what is usual for data of the task's domain in place of None."""
    own = _BY_DOMAIN.get(task.signature.domain, USUAL)
    return method or own[0], space or own[1]


__all__ = ["USUAL", "usual"]
