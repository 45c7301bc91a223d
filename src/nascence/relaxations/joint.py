"""Every role its own relaxation: operations by one, widths by another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.relaxations.base import Relaxation
from nascence.schedules import Moment
from nascence.seeding import derive_seed
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup, MixingWeights

Make = Callable[[Sequence[ChoiceGroup], int], Relaxation]
"""(groups, seed) -> a relaxation of these groups alone."""


@final
class Joint(Relaxation):
    """Several relaxations, each of the choice groups of some roles; a group's weights come from its own relaxation.

    ``makers``: by role, or by the name of a group (which goes before its role); ``""`` for all others. A step's
    sub-networks pair the samples of the parts one by one; a part of one sample is in all of them. Raises
    :class:`SettingError` for a group that no maker is for, and for a name that is neither.
    """

    def __init__(self, space: RelaxableSpace, makers: Mapping[str, Make], *, seed: int = 0) -> None:
        self.space = space
        members: dict[str, list[ChoiceGroup]] = {}
        for group in space.groups:
            key = next((key for key in (group.name, group.role, "") if key in makers), None)
            if key is None:
                raise SettingError(f"No relaxation is given for {group.name} ({group.role}) of {space.name}.")
            members.setdefault(key, []).append(group)
        unknown = [key for key in makers if key and key not in members]
        if unknown:
            known = sorted({group.name for group in space.groups} | {group.role for group in space.groups})
            raise SettingError(f"{space.name} has no group or role '{unknown[0]}'; it has: {', '.join(known)}.")
        self.parts = {key: makers[key](groups, derive_seed(seed, "joint", key)) for key, groups in members.items()}

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {name: leaf for part in self.parts.values() for name, leaf in part.parameters.items()}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return {name: value for part in self.parts.values() for name, value in part.sample(generator).items()}

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        drawn = [part.samples(generator) for part in self.parts.values()]
        count = max(map(len, drawn))
        assert all(len(several) in (1, count) for several in drawn)
        return [
            {name: value for several in drawn for name, value in several[at % len(several)].items()}
            for at in range(count)
        ]

    def mean(self) -> MixingWeights:
        return {name: value for part in self.parts.values() for name, value in part.mean().items()}

    def scores(self) -> dict[str, Tensor]:
        return {name: value for part in self.parts.values() for name, value in part.scores().items()}

    def logits(self) -> dict[str, Tensor]:
        return {name: value for part in self.parts.values() for name, value in part.logits().items()}

    def begin(self, moment: Moment) -> None:
        for part in self.parts.values():
            part.begin(moment)

    def keep(self, count: int) -> None:
        for part in self.parts.values():
            part.keep(count)

    def optimizer_options(self, name: str) -> dict[str, Any]:
        return next(part.optimizer_options(name) for part in self.parts.values() if name in part.parameters)

    def observed(self) -> dict[str, float]:
        """Of all parts; with several, each number's name begins with the part's."""
        prefix = len(self.parts) > 1
        return {
            f"{key or 'other'}_{name}" if prefix else name: value
            for key, part in self.parts.items()
            for name, value in part.observed().items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {key: part.state_dict() for key, part in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for key, part in self.parts.items():
            part.load_state_dict(state[key])


__all__ = ["Joint", "Make"]
