"""What every relaxation offers: architecture parameters, and mixing weights made from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import SettingError
from nascence.schedules import Moment
from nascence.seeding import generator as seeded_generator
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup, MixingWeights


class Relaxation(ABC):
    """Architecture parameters of choice groups and the mixing weights [R, O] per group that they stand for.

    Columns of mixing weights follow a group's options; an option that takes no part has weight exactly zero and is not
    run. The parameters are float32 leaves on the CPU, moved by an optimizer in place.
    """

    space: RelaxableSpace

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Tensor]:
        """The leaves, by name. The dictionary may change its keys only in :meth:`begin` and :meth:`keep`."""

    @abstractmethod
    def sample(self, generator: torch.Generator) -> MixingWeights:
        """Mixing weights of one forward pass, differentiable in the parameters. The same generator state gives the
        same noise."""

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        """All sub-networks that one step runs one after the other and averages over; usually one."""
        return [self.sample(generator)]

    @abstractmethod
    def mean(self) -> MixingWeights:
        """Mixing weights without noise, without gradient: what evaluation and the report look at."""

    @abstractmethod
    def scores(self) -> dict[str, Tensor]:
        """For :meth:`nascence.costs.budget.BudgetChecker.best`, by which :meth:`derive` finds the architecture."""

    def derive(self, budget: BudgetChecker) -> Architecture:
        """The architecture that the parameters stand for, within the budget. Raises
        :class:`nascence.errors.BudgetError`."""
        return budget.best(self.space.choice_scores(self.scores()))

    @abstractmethod
    def logits(self) -> dict[str, Tensor]:
        """The raw parameters [R, A] of the A options that take part, per group; minus infinity for those that
        :meth:`keep` dropped since, and for those that a row cannot have."""

    def begin(self, moment: Moment) -> None:  # noqa: B027 - most relaxations do not change with time
        """Called before every epoch, and before anything else: set temperatures, enter a stage."""

    def keep(self, count: int) -> None:
        """Let only the ``count`` best options of every row take part from now on. Raises :class:`SettingError`."""
        raise SettingError(f"{type(self).__name__} cannot drop operations between stages; use a single stage.")

    def optimizer_options(self, name: str) -> dict[str, Any]:
        """Options of Adam for the parameter ``name`` that differ from the strategy's (``lr``, ``weight_decay``...)."""
        return {}

    def observed(self) -> dict[str, float]:
        """Numbers for the event of an epoch, such as a temperature."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Any]: ...

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """In place where the shapes allow it, so that an optimizer keeps hold of the parameters."""


Options = Sequence[str] | Mapping[str, Sequence[str]] | None
"""Options that take part: names for all groups alike, names per group, or None for what an architecture can have."""


def participants(
    space: RelaxableSpace, everything: bool = False, excluded: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Per group the options that take part in a relaxation: those that an architecture of ``space`` can have, or
    ``everything`` its supernet has, less the ``excluded`` ones."""
    return {
        group.name: tuple(
            name
            for name, possible in zip(group.options, group.allowed().any(0).tolist(), strict=True)
            if (everything or possible) and name not in excluded
        )
        for group in space.groups
    }


class LogitRelaxation(Relaxation):
    """A relaxation with a matrix of logits [R, A] for every choice group, initially ``scale`` * N(0, 1).

    ``options``: the A options that take part, in the order given. A row that cannot have one of them, where another row
    can, goes without it. ``groups``: those that are relaxed, all of the space if None. Subclasses say how rows of
    logits become rows of weights.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        options: Options = None,
        *,
        groups: Sequence[ChoiceGroup] | None = None,
        seed: int = 0,
        scale: float = 1e-3,
    ) -> None:
        self.space = space
        self.groups = tuple(space.groups if groups is None else groups)
        possible = participants(space)
        self.options = {
            group.name: tuple(
                possible[group.name]
                if options is None
                else options[group.name]
                if isinstance(options, Mapping)
                else options
            )
            for group in self.groups
        }
        self._logits: dict[str, Tensor] = {}
        self.kept: dict[str, Tensor] = {}
        """Which options still take part, booleans [R, A] per group."""
        self._columns: dict[str, Tensor] = {}
        for group in self.groups:
            taking = self.options[group.name]
            shape = (len(group.rows), len(taking))
            noise = torch.randn(shape, generator=seeded_generator(seed, "logits", group.name))
            self._logits[group.name] = (scale * noise).requires_grad_()
            self._columns[group.name] = torch.tensor([group.options.index(name) for name in taking])
            allowed = group.allowed()
            self.kept[group.name] = (allowed | ~allowed.any(0))[:, self._columns[group.name]]

    @abstractmethod
    def row_sample(self, logits_RA: Tensor, kept_RA: Tensor, generator: torch.Generator) -> Tensor:
        """Weights [R, A], zero where not ``kept_RA``, differentiable in the logits."""

    def row_mean(self, logits_RA: Tensor, kept_RA: Tensor) -> Tensor:
        """Weights [R, A] without noise: the softmax over what is kept, where nothing else is said."""
        return logits_RA.masked_fill(~kept_RA, -torch.inf).softmax(-1)

    @property
    def parameters(self) -> dict[str, Tensor]:
        return dict(self._logits)

    def logits(self) -> dict[str, Tensor]:
        return {name: value.masked_fill(~self.kept[name], -torch.inf) for name, value in self._logits.items()}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return {
            name: self.spread(name, self.row_sample(value, self.kept[name], generator))
            for name, value in self._logits.items()
        }

    def mean(self) -> MixingWeights:
        return {
            name: self.spread(name, self.row_mean(value.detach(), self.kept[name]))
            for name, value in self._logits.items()
        }

    def scores(self) -> dict[str, Tensor]:
        """log softmax over the options that take part: the architecture of the largest product. Where a node keeps
        some of its edges, they are those whose best operation has the largest softmax weight (DARTS, section 2.3)."""
        scores = {}
        for group in self.groups:
            rows = self._logits[group.name].detach().masked_fill(~self.kept[group.name], -torch.inf).log_softmax(-1)
            scores[group.name] = rows.new_full(group.shape, -torch.inf)
            scores[group.name][:, self._columns[group.name]] = rows
        return scores

    def spread(self, name: str, weights_RA: Tensor) -> Tensor:
        """[R, A] of the options that take part in the group ``name`` as [R, O] of all."""
        columns = self._columns[name]
        options = next(len(group.options) for group in self.groups if group.name == name)
        full = weights_RA.new_zeros(len(weights_RA), options)
        return full.index_copy(1, columns, weights_RA)

    def keep(self, count: int) -> None:
        """The ``count`` largest logits of every row stay (among those that still take part); others become zero."""
        for options in self.options.values():
            if not 1 <= count <= len(options):
                raise SettingError(
                    f"A stage can keep 1 to {len(options)} operations per edge of {self.space.name}, not {count}."
                )
        for name, value in self._logits.items():
            ranked = value.detach().masked_fill(~self.kept[name], -torch.inf)
            best = ranked.topk(count, dim=-1).indices
            self.kept[name] = torch.zeros_like(self.kept[name]).scatter(-1, best, True) & self.kept[name]
            with torch.no_grad():
                value.masked_fill_(~self.kept[name], 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {
            "logits": {name: value.detach().clone() for name, value in self._logits.items()},
            "kept": {name: value.clone() for name, value in self.kept.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, value in self._logits.items():
            with torch.no_grad():
                value.copy_(state["logits"][name])
            self.kept[name] = state["kept"][name].clone()


__all__ = ["LogitRelaxation", "Options", "Relaxation", "participants"]
