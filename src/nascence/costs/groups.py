"""A space's choices as groups whose costs add up."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.spaces import CellSpace, Space


@dataclass(frozen=True)
class PricedChoices:
    """Choices that are priced together: their positions in the space, and all combinations of their answers, as answers
    and as the positions of the options [N, len(choices)]."""

    choices: tuple[int, ...]
    answers: tuple[tuple[str, ...], ...]
    options: NDArray[np.intp]

    @classmethod
    def of(cls, space: Space, choices: Sequence[int]) -> PricedChoices:
        """All combinations of the answers to some of a space's choices, last choice fastest."""
        names = [space.choices[at].options for at in choices]
        options = np.array(list(itertools.product(*(range(len(part)) for part in names))), dtype=np.intp)
        return cls(tuple(choices), tuple(itertools.product(*names)), options.reshape(-1, len(choices)))

    def position(self, architecture: Architecture) -> int:
        """The position of an architecture's answers among the combinations."""
        return self._positions[tuple(architecture.answers[at] for at in self.choices)]

    @cached_property
    def _positions(self) -> dict[tuple[str, ...], int]:
        return {answers: at for at, answers in enumerate(self.answers)}

    def allowed(self, space: Space, options: Mapping[int, Collection[str]]) -> NDArray[np.bool_]:
        """Which combinations [N] use only the given answers; a choice that is not named is unrestricted."""
        mask = np.ones(len(self.answers), dtype=bool)
        for place, at in enumerate(self.choices):
            if at in options:
                each = np.array([option in options[at] for option in space.choices[at].options])
                mask &= each[self.options[:, place]]
        return mask


def reference(space: Space) -> Architecture:
    """The architecture of all first options."""
    return space.architecture([choice.options[0] for choice in space.choices])


def cell_groups(space: CellSpace) -> tuple[list[PricedChoices], list[NDArray[np.intp]], list[int]]:
    """The groups of a cell space, the operations they put on edges, and operations that no choice changes.

    A group is an edge, or, where the space keeps some edges per node, a node with all its choices. The operations
    [N, k] are positions in a flattened [kinds, E, O].
    """
    base = reference(space)
    by_key: dict[tuple[str, int], list[int]] = {}
    for at, choice in enumerate(space.choices):
        touched = set()
        for option in choice.options[1:]:
            other = space.edge_operations(replaced(base, (at,), (option,)))
            touched |= {
                key
                for kind, edges in space.edge_operations(base).items()
                for key in _keys(space, kind, set(edges.items()) ^ set(other[kind].items()))
            }
        assert len(touched) <= 1 or len(choice.options) == 1, f"{choice.name} of {space.name} acts on several nodes"
        for key in touched:
            by_key.setdefault(key, []).append(at)
    free = [at for at in range(len(space.choices)) if not any(at in choices for choices in by_key.values())]
    groups = [PricedChoices.of(space, choices) for choices in by_key.values()]
    operations = [
        np.array([_flat(space, replaced(base, group.choices, answers), key) for answers in group.answers])
        for key, group in zip(by_key, groups, strict=True)
    ]
    constant = [
        position
        for kind in space.kinds
        for key in _keys(space, kind, space.edge_operations(base)[kind].items())
        if key not in by_key
        for position in _flat(space, base, key)
    ]
    for at in free:
        groups.append(PricedChoices.of(space, [at]))
        operations.append(np.zeros((len(groups[-1].answers), 0), dtype=np.intp))
    return groups, operations, constant


def _keys(space: CellSpace, kind: str, edges: Collection[tuple[int, str]]) -> list[tuple[str, int]]:
    """The groups, each once, that some (edge, operation) belong to."""
    per_node = space.shape.edges_per_node is not None
    return sorted({(kind, space.shape.edges[at][1] if per_node else at) for at, _ in edges})


def _flat(space: CellSpace, architecture: Architecture, key: tuple[str, int]) -> list[int]:
    edges, operations = len(space.shape.edges), len(space.operations)
    kind = space.kinds.index(key[0])
    chosen = space.edge_operations(architecture)[key[0]]
    return [
        (kind * edges + at) * operations + space.operations.index(name)
        for at, name in sorted(chosen.items())
        if key in _keys(space, key[0], [(at, name)])
    ]


def replaced(architecture: Architecture, choices: Sequence[int], answers: Sequence[str]) -> Architecture:
    new = list(architecture.answers)
    for at, answer in zip(choices, answers, strict=True):
        new[at] = answer
    return Architecture(architecture.space, tuple(new))


def combine(space: Space, groups: Sequence[PricedChoices], picks: Sequence[int]) -> Architecture:
    """The architecture of one combination per group."""
    answers = {
        at: answer
        for group, pick in zip(groups, picks, strict=True)
        for at, answer in zip(group.choices, group.answers[pick], strict=True)
    }
    return Architecture(space.name, tuple(answers[at] for at in range(len(space.choices))))


__all__ = ["PricedChoices", "cell_groups", "combine", "reference", "replaced"]
