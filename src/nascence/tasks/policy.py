"""Augmentation policies: weighted sub-policies of two image operations each, as values and as files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import torch
from pydantic import Field, Strict
from torch import Tensor

from nascence.errors import DataError
from nascence.reading import check, read_json
from nascence.schema import FileEntry, Name
from nascence.tasks.image_operations import IMAGE_OPERATIONS

VERSION = 1
_KIND = "augmentation policy"

Step = tuple[str, float, float]
"""(operation, chance, strength), both in [0, 1]."""


class _SubPolicyEntry(FileEntry):
    weight: float
    steps: Annotated[list[Annotated[tuple[Name, float, float], Strict(False)]], Field(max_length=100)]


class _PolicyEntry(FileEntry):
    """A policy in a file."""

    sub_policies: Annotated[list[_SubPolicyEntry], Field(max_length=10_000)]


@final
@dataclass(frozen=True)
class SubPolicy:
    """``steps`` one after the other, drawn with a chance in proportion to ``weight``."""

    steps: tuple[Step, ...]
    weight: float = 1.0


@final
@dataclass(frozen=True)
class Policy:
    """Every image gets one of the ``sub_policies``. Raises :class:`DataError` on unknown operations and on chances,
    strengths or weights out of range."""

    sub_policies: tuple[SubPolicy, ...]

    def __post_init__(self) -> None:
        known = IMAGE_OPERATIONS.names()
        whole = sum(each.weight for each in self.sub_policies)
        if not whole > 0 or not math.isfinite(whole):
            raise DataError("A policy needs a sub-policy with a weight above 0, and weights of a finite sum.")
        for each in self.sub_policies:
            if not each.weight >= 0:
                raise DataError(f"A sub-policy's weight is at least 0, not {each.weight}.")
            for name, chance, strength in each.steps:
                if name not in known:
                    raise DataError(f"A policy has the operation '{name}'; known are: {', '.join(known)}.")
                if not (0 <= chance <= 1 and 0 <= strength <= 1):
                    raise DataError(f"The chance and the strength of {name} are in 0 to 1, not {chance}, {strength}.")

    def __call__(self, x_BCHW: Tensor, random: torch.Generator) -> Tensor:
        """Pixels [B, C, H, W] in [0, 1], each image by a sub-policy of its own; images of one sub-policy share the
        directions of its steps."""
        weights = torch.tensor([each.weight for each in self.sub_policies], dtype=torch.float64)
        picked_B = torch.multinomial(weights, len(x_BCHW), replacement=True, generator=random)
        changed = x_BCHW.clone()
        for at in picked_B.unique().tolist():
            rows = (picked_B == at).nonzero()[:, 0]
            changed[rows] = apply_steps(changed[rows], self.sub_policies[at].steps, random)
        return changed

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": _KIND,
            "version": VERSION,
            "sub_policies": [
                {"weight": each.weight, "steps": [list(step) for step in each.steps]} for each in self.sub_policies
            ],
        }

    @classmethod
    def from_json(cls, value: Any) -> Policy:
        """Raises :class:`DataError` where ``value`` is no policy, or one of another version."""
        if not isinstance(value, Mapping) or value.get("kind") != _KIND:
            raise DataError(f"This is no policy; expected a JSON object with kind '{_KIND}'.")
        if value.get("version") != VERSION:
            raise DataError(
                f"This policy is of version {value.get('version')!r}, and this program reads version {VERSION}."
            )
        check(dict(value), _PolicyEntry, "This policy", DataError)
        return cls(
            tuple(
                SubPolicy(
                    tuple((name, float(chance), float(strength)) for name, chance, strength in each["steps"]),
                    float(each["weight"]),
                )
                for each in value["sub_policies"]
            )
        )

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """From a file of its own, from the ``architecture.json`` of a search that found one, or from a run directory:
        the policy that its training used or, without one, that its search found."""
        path = Path(path)
        if path.is_dir():
            files = [path / name for name in ("config.json", "architecture.json")]
            holding = [file for file in files if file.is_file() and _inside(cls._read(file)) is not None]
            if not holding:
                raise DataError(f"{path} has no policy: neither its search found one, nor was its training given one.")
            path = holding[0]
        value = cls._read(path)
        inside = _inside(value)
        try:
            return cls.from_json(value if inside is None else inside)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    @staticmethod
    def _read(path: Path) -> Any:
        return read_json(path, error=DataError, what="the policy", pipe=True)


def _inside(value: Any) -> Mapping[str, Any] | None:
    """The policy in the configuration of a run, where its training has one, or in the record of a search."""
    if isinstance(value, dict) and isinstance(value.get("training"), dict):
        value = value["training"]
    found = value.get("policy") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def apply_steps(x_BCHW: Tensor, steps: Sequence[Step], random: torch.Generator) -> Tensor:
    """Each step on each image with its chance."""
    for name, chance, strength in steps:
        rows = (torch.rand(len(x_BCHW), generator=random) < chance).nonzero()[:, 0]
        if len(rows):
            x_BCHW = x_BCHW.clone()
            x_BCHW[rows] = IMAGE_OPERATIONS.get(name)(x_BCHW[rows], strength, random).to(x_BCHW.dtype)
    return x_BCHW


def uniform_policy(chance: float = 0.5, strength: float = 0.5) -> Policy:
    """Every pair of two different operations, equally likely: the random baseline."""
    names = IMAGE_OPERATIONS.names()
    pairs = [(a, b) for a in names for b in names if a != b]
    return Policy(tuple(SubPolicy(((a, chance, strength), (b, chance, strength))) for a, b in pairs))


__all__ = ["VERSION", "Policy", "Step", "SubPolicy", "apply_steps", "uniform_policy"]
