"""From numbers of channels to what can be chosen: units that stay or go together, and groups of units alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from nascence.spaces.own.labels import NONE, PINNED, Labelled

Integers = NDArray[np.int64]
STAYS = -1
_ROUNDS = 20


@final
@dataclass(frozen=True)
class UnitGroup:
    """Units that are alike: ``units``, their numbers. ``name``: the first layer that makes them; ``layers``: all."""

    name: str
    units: tuple[int, ...]
    layers: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Channels:
    """``unit_of``: per channel's number its unit, or :data:`STAYS`. ``whole``: layers whose channels all stay, and
    why."""

    groups: tuple[UnitGroup, ...]
    unit_of: Integers
    whole: dict[str, str]

    def axis(self, vector: Tensor) -> Integers:
        """The units [n] of a vector of numbers."""
        return self.unit_of[vector.numpy()]


def channels(found: Labelled) -> Channels:
    """What hangs together, after everything has been followed; ties what shapes ask for beside."""
    classes = _classes(found)
    for _ in range(_ROUNDS):
        if not _tie_shapes(found, classes):
            break
        classes = _classes(found)
    pinned = classes[PINNED]
    parents = _components(
        len(classes),
        [(classes[vector[:-1].numpy()], classes[vector[1:].numpy()]) for vector in found.producers.values()],
        keep_apart=pinned,
    )
    unit_of = np.full(len(classes), STAYS, dtype=np.int64)
    members: dict[int, list[int]] = {}
    makers: dict[int, list[str]] = {}
    for path, vector in found.producers.items():
        for number in vector.tolist():
            one = int(classes[number])
            if one != pinned:
                units = members.setdefault(int(parents[one]), [])
                makers.setdefault(int(parents[one]), [])
                if one not in units:
                    units.append(one)
                if path not in makers[int(parents[one])]:
                    makers[int(parents[one])].append(path)
    groups: list[UnitGroup] = []
    unit_by_class: dict[int, int] = {}
    for parent, units in members.items():
        if len(units) < 2:
            continue
        first = len(unit_by_class)
        unit_by_class |= {one: first + at for at, one in enumerate(units)}
        groups.append(UnitGroup(makers[parent][0], tuple(range(first, first + len(units))), tuple(makers[parent])))
    for one, unit in unit_by_class.items():
        unit_of[classes == one] = unit
    unit_of[NONE] = STAYS
    return Channels(tuple(groups), unit_of, _whole(found, classes, unit_of))


def _whole(found: Labelled, classes: Integers, unit_of: Integers) -> dict[str, str]:
    told: dict[str, str] = {}
    for path, vector in found.producers.items():
        numbers = vector.numpy()
        if bool((unit_of[numbers] == STAYS).all()):
            mine = set(classes[numbers].tolist())
            reasons = [why for pinned, why in found.pins if mine & set(classes[pinned.numpy()].tolist())]
            own = [why for pinned, why in found.pins if set(numbers.tolist()) & set(pinned.tolist())]
            told[path] = (own or reasons or ["its channels all hang together"])[0]
    return told


def _classes(found: Labelled) -> Integers:
    edges = [(each[0].numpy(), each[1].numpy()) for each in found.edges]
    return _components(found.count, edges)


def _components(count: int, edges: Sequence[tuple[Integers, Integers]], keep_apart: int | None = None) -> Integers:
    """The number of its component [count] of each; what meets ``keep_apart`` is not joined by it."""
    one = np.concatenate([each[0] for each in edges]) if edges else np.zeros(0, dtype=np.int64)
    two = np.concatenate([each[1] for each in edges]) if edges else np.zeros(0, dtype=np.int64)
    if keep_apart is not None:
        apart = (one != keep_apart) & (two != keep_apart)
        one, two = one[apart], two[apart]
    matrix = coo_matrix((np.ones(len(one), dtype=np.int8), (one, two)), shape=(count, count))
    return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)


def _tie_shapes(found: Labelled, classes: Integers) -> bool:
    """Tie what must be the same channels, and what would not be a box of kept elements. Whether anything was."""
    before = len(found.edges)
    for numbers, reason in found.equal:
        rows = torch.from_numpy(classes[numbers.numpy()])
        if not bool((rows == rows[:1]).all()):
            if reason.startswith("pieces"):
                continue  # they are cut by their lengths then
            found.pin(numbers, reason)
    for outputs in found.shapes.values():
        for numbers in outputs:
            known = torch.from_numpy(classes[numbers.numpy()])
            known[numbers == NONE] = int(classes[PINNED])
            varying = [
                d for d in range(known.dim()) if known.shape[d] > 1 and bool((known != known.narrow(d, 0, 1)).any())
            ]
            for dim in varying[1:]:
                found.tie(numbers, numbers.narrow(dim, 0, 1).expand_as(numbers))
    found.equal = [each for each in found.equal if each[1].startswith("pieces")]
    return len(found.edges) > before


__all__ = ["STAYS", "Channels", "UnitGroup", "channels"]
