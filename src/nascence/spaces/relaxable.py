"""Spaces that gradient methods can search: their choices in groups, and a supernet of all options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.initialisation import initialise
from nascence.seeding import generator
from nascence.spaces.base import Space
from nascence.supernets.base import Supernet
from nascence.supernets.extents import Extent
from nascence.supernets.groups import ChoiceGroup, MixingWeights
from nascence.tasks.base import Signature


class RelaxableSpace(Space):
    """A space whose answers are options of rows of choice groups.

    ``supernet_options``: what :meth:`supernet` takes beside a size, a signature and a seed.
    """

    supernet_options: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def groups(self) -> tuple[ChoiceGroup, ...]:
        """In a fixed order."""

    @abstractmethod
    def one_hot(self, architecture: Architecture) -> dict[str, Tensor]:
        """The mixing weights [R, O] per group at which a supernet computes ``architecture``."""

    @abstractmethod
    def supernet(self, network: Any, signature: Signature, *, seed: int = 0) -> Supernet:
        """All options in one module, of the size ``network``; the same seed gives the same weights."""

    def connected(self, architecture: Architecture) -> bool:
        """Whether the output depends on the input; a space without options that carry nothing need not look."""
        return True

    def kept_shares(self) -> dict[str, Tensor]:
        """Per group the chance [R] that a row is kept in an architecture, when nothing is known of it."""
        return {group.name: torch.ones(len(group.rows)) for group in self.groups}

    @abstractmethod
    def choice_scores(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scores [R, O] per group as :meth:`nascence.costs.budget.BudgetChecker.best` wants them: per choice
        [options]; entries of other names stay."""


class RowwiseSpace(RelaxableSpace):
    """A relaxable space in which every row is one choice, of the same name; what is left out of a row's ``possible``
    options is no option of that choice."""

    def one_hot(self, architecture: Architecture) -> dict[str, Tensor]:
        answers = dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))
        weights = {}
        for group in self.groups:
            weights[group.name] = torch.zeros(group.shape)
            for at, row in enumerate(group.rows):
                weights[group.name][at, group.options.index(answers[row])] = 1.0
        return weights

    def choice_scores(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        options = {choice.name: choice.options for choice in self.choices}
        known = {group.name: group for group in self.groups}
        found = {name: value for name, value in scores.items() if name not in known}
        for name, group in known.items():
            for at, row in enumerate(group.rows if name in scores else ()):
                columns = [group.options.index(option) for option in options[row]]
                found[row] = scores[name][at, columns]
        return found

    def by_choice(self, terms: Mapping[str, Sequence[Extent]]) -> dict[str, list[Extent]]:
        """Costs over rows of groups as costs over choices; see :meth:`cost_terms`."""
        names = {(group.name, number): (row, 0) for group in self.groups for number, row in enumerate(group.rows)}
        return {
            cost: [Extent(tuple(names[row] for row in part.rows), part.values) for part in parts]
            for cost, parts in terms.items()
        }

    def expectation_weights(self, weights: MixingWeights) -> dict[str, Tensor]:
        """Mixing weights [R, O] per group as probabilities [options] per choice."""
        return self.choice_scores(weights)


def relaxable(space: Space, method: str) -> RelaxableSpace:
    """``space``, where a method that trains a supernet can search it. Raises :class:`SettingError`."""
    if not isinstance(space, RelaxableSpace):
        raise SettingError(
            f"{method} trains a supernet of cells, and {space.name} has none; try --method random, or --space darts."
        )
    return space


def initialised_supernet(
    space: RelaxableSpace, network: Any, signature: Signature, initialisation: str, *, seed: int = 0
) -> Supernet:
    """The supernet with weights drawn by a name of :mod:`nascence.initialisation`: by the space's own rule, where it
    has one."""
    if "initialisation" in space.supernet_options:
        return space.supernet(network, signature, seed=seed, initialisation=initialisation)  # type: ignore[call-arg]
    supernet = space.supernet(network, signature, seed=seed)
    if initialisation != "default":
        initialise(supernet, initialisation, generator(seed, "weights"))
    return supernet


__all__ = ["RelaxableSpace", "RowwiseSpace", "initialised_supernet", "relaxable"]
