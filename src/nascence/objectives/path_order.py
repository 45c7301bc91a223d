"""Paths whose parameters fall from their beginning to their end, so that sparse weights drop their ends first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule


@final
@dataclass(frozen=True)
class PathOrder(Objective):
    """sum over full paths sum_t max(0, gamma_{t+1} - gamma_t), of the logits gamma of choice groups of the role
    ``path``, whose options are paths such as ``0,0,1``: a path's beginnings are the options that it begins with.

    The "sorting technique" of the Trilevel NAS (Wu et al., arXiv 2101.06658): its formula could not be read, and the
    code of its follow-up sums the differences themselves, which only pulls at both ends. The hinge is ours.
    """

    name: ClassVar[str] = "path_order"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        parts = []
        logits = evaluated.relaxation.logits()
        for group in evaluated.relaxation.space.groups:
            if group.role != "path":
                continue
            for row_O in logits[group.name]:
                earlier, later, paths = order(group.options)
                parts.append(((row_O[later] - row_O[earlier]).clamp_min(0) * paths.to(row_O)).sum())
        if not parts:
            raise SettingError(f"{evaluated.relaxation.space.name} has no paths that could be ordered.")
        return torch.stack(parts).sum()


def order(options: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of every option with a beginning among the ``options`` and of that beginning (the longest), earlier
    first, and how many full paths go through both."""
    places = {tuple(option.split(",")): at for at, option in enumerate(options)}
    pairs = [(places[path[:-1]], at) for path, at in places.items() if path[:-1] in places]
    inner = {earlier for earlier, _ in pairs}
    full = [path for path, at in places.items() if at not in inner]
    through = {at: sum(leaf[: len(path)] == path for leaf in full) for path, at in places.items()}
    earlier, later = (torch.tensor([pair[side] for pair in pairs], dtype=torch.long) for side in (0, 1))
    return earlier, later, torch.tensor([through[at] for _, at in pairs])


__all__ = ["PathOrder", "order"]
