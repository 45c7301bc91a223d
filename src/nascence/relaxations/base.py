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
from nascence.spaces import CellSpace
from nascence.supernets.groups import MixingWeights


class Relaxation(ABC):
    """Architecture parameters of a cell space and the mixing weights [E, O] per kind of cell that they stand for.

    Columns of mixing weights follow ``space.operations``; an operation that takes no part has weight exactly zero and
    is not run. The parameters are float32 leaves on the CPU, moved by an optimizer in place.
    """

    space: CellSpace

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
        return budget.best(self.scores())

    @abstractmethod
    def logits(self) -> dict[str, Tensor]:
        """The raw parameters [E, A] of the A operations that take part, per kind of cell; minus infinity for those that
        :meth:`keep` dropped since."""

    def begin(self, moment: Moment) -> None:  # noqa: B027 - most relaxations do not change with time
        """Called before every epoch, and before anything else: set temperatures, enter a stage."""

    def keep(self, count: int) -> None:
        """Let only the ``count`` best operations of every edge take part from now on. Raises :class:`SettingError`."""
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


def participants(space: CellSpace, everything: bool = False, excluded: Sequence[str] = ()) -> tuple[str, ...]:
    """The operations that take part in a relaxation: those that an architecture of ``space`` can have, or
    ``everything`` its supernet has, less the ``excluded`` ones."""
    possible = {option for choice in space.choices for option in choice.options}
    return tuple(name for name in space.operations if (everything or name in possible) and name not in excluded)


class LogitRelaxation(Relaxation):
    """A relaxation with a matrix of logits [E, A] for every kind of cell, initially ``scale`` * N(0, 1).

    ``operations``: the A operations that take part. Subclasses say how rows of logits become rows of weights.
    """

    def __init__(self, space: CellSpace, operations: Sequence[str], *, seed: int = 0, scale: float = 1e-3) -> None:
        self.space, self.operations = space, tuple(operations)
        edges = len(space.shape.edges)
        self._logits: dict[str, Tensor] = {}
        for kind in space.kinds:
            noise = torch.randn(edges, len(self.operations), generator=seeded_generator(seed, "logits", kind))
            self._logits[kind] = (scale * noise).requires_grad_()
        self.kept = {kind: torch.ones_like(value, dtype=torch.bool) for kind, value in self._logits.items()}
        """Which operations still take part, [E, A] per kind."""
        self._columns = torch.tensor([space.operations.index(name) for name in self.operations])

    @abstractmethod
    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        """Weights [E, A], zero where not ``kept_EA``, differentiable in the logits."""

    @abstractmethod
    def row_mean(self, logits_EA: Tensor, kept_EA: Tensor) -> Tensor:
        """Weights [E, A] without noise."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        return dict(self._logits)

    def logits(self) -> dict[str, Tensor]:
        return {kind: value.masked_fill(~self.kept[kind], -torch.inf) for kind, value in self._logits.items()}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return {
            kind: self.spread(self.row_sample(value, self.kept[kind], generator))
            for kind, value in self._logits.items()
        }

    def mean(self) -> MixingWeights:
        return {
            kind: self.spread(self.row_mean(value.detach(), self.kept[kind])) for kind, value in self._logits.items()
        }

    def scores(self) -> dict[str, Tensor]:
        """log softmax over the operations that take part: the architecture of the largest product. Where a node keeps
        some of its edges, they are those whose best operation has the largest softmax weight (DARTS, section 2.3)."""
        found = {}
        for kind, value in self._logits.items():
            rows = value.detach().masked_fill(~self.kept[kind], -torch.inf).log_softmax(-1)
            found[kind] = rows.new_full((len(rows), len(self.space.operations)), -torch.inf)
            found[kind][:, self._columns] = rows
        return found

    def spread(self, weights_EA: Tensor) -> Tensor:
        """[E, A] of the operations that take part as [E, O] of all."""
        full = weights_EA.new_zeros(len(weights_EA), len(self.space.operations))
        return full.index_copy(1, self._columns, weights_EA)

    def keep(self, count: int) -> None:
        """The ``count`` largest logits of every edge stay (among those that still take part); others become zero."""
        if not 1 <= count <= len(self.operations):
            raise SettingError(
                f"A stage can keep 1 to {len(self.operations)} operations per edge of {self.space.name}, not {count}."
            )
        for kind, value in self._logits.items():
            ranked = value.detach().masked_fill(~self.kept[kind], -torch.inf)
            best = ranked.topk(count, dim=-1).indices
            self.kept[kind] = torch.zeros_like(self.kept[kind]).scatter(-1, best, True) & self.kept[kind]
            with torch.no_grad():
                value.masked_fill_(~self.kept[kind], 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {
            "logits": {kind: value.detach().clone() for kind, value in self._logits.items()},
            "kept": {kind: value.clone() for kind, value in self.kept.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for kind, value in self._logits.items():
            with torch.no_grad():
                value.copy_(state["logits"][kind])
            self.kept[kind] = state["kept"][kind].clone()


__all__ = ["LogitRelaxation", "Relaxation", "participants"]
