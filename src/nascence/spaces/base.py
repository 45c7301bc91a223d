"""What every space offers: choices, sampling, text, and networks."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError, UnknownNameError
from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.ranges import Range
from nascence.tasks.base import Domain, Signature

if TYPE_CHECKING:
    from nascence.spaces.cells import CellSpace
    from nascence.spaces.stacks import Piece
    from nascence.supernets.extents import Extent
    from nascence.supernets.groups import ChoiceGroup

ENUMERATION_LIMIT = 2_000_000
_STEP_BESIDE = 0.7


@dataclass(frozen=True)
class Choice:
    """One named decision with a finite list of options, given by their names.

    ``ordered``: the options are steps of a scale, such as widths, and a mutation mostly goes to the step beside.
    """

    name: str
    options: tuple[str, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Drawn:
    """A box of a drawing: its ``label``, and the places of the boxes whose outputs go ``into`` it."""

    label: str
    into: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The size and the flags of a network, apart from the architecture itself.

    ``channels``: width of the first stage. ``depth``: cells per stage (nas-bench-201) or in all (darts). ``stages``:
    resolutions, each halving the last (nas-bench-201). ``stem_channels``: width of the stem, None for the space's own
    rule, 0 for no stem at all (the input goes straight into the first cell). ``affine``, ``track_running_stats``: of
    the batch normalisation inside cells. ``auxiliary``: an extra classifier during training (darts). A space raises
    :class:`SettingError` on what it cannot vary: see :meth:`refuse`.
    """

    channels: int
    depth: int = 1
    stages: int = 3
    stem_channels: int | None = None
    affine: bool = True
    track_running_stats: bool = True
    auxiliary: bool = False

    def refuse(self, space: str, *names: str) -> None:
        """Raise :class:`SettingError` when one of ``names``, which networks of ``space`` do not have, has been set."""
        for field in fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise SettingError(
                    f"Networks of {space} have {_FIXED[field.name]}; leave {field.name} at {field.default}."
                )


Size = Any
"""A network's size: an object of its space's ``size_class``."""

PRESET_FORMS = {
    "darts": "cells of many operations, a step of which takes several times as long",
    "sane": "one graph, of which an epoch is a single step",
    "fbnetv2": "widths and resolutions of a network of full size",
    "own": "what is left of a network that is trained already",
}
"""What kinds of search a method's presets may have forms for, such as ``laptop-darts``; a space says which it is."""

_FIXED = {
    "depth": "a fixed depth",
    "stages": "a fixed number of stages",
    "stem_channels": "a fixed stem",
    "auxiliary": "no auxiliary head",
}


class Space(ABC):
    """A set of independent choices and the rule that turns a full set of answers into a network.

    Subclasses set ``name``, ``choices``, ``size_class`` (a frozen dataclass; :class:`NetworkConfig` where they say
    nothing) and ``networks`` (named sizes of that class: at least ``evaluation``, the network that is trained in the
    end; for images also ``score``, the small one that tangent-kernel scores look at, and ``ranking``, the one that the
    other training-free scores look at, or ``ranking-deep`` where they compare block with block). A score that reads
    features block by block finds them by the names that its networks' modules have: ``stem`` and then ``blocks`` or
    ``cells`` (a plain ``nn.Sequential`` needs none).
    """

    name: str
    choices: tuple[Choice, ...]
    networks: Mapping[str, Size]
    size_class: ClassVar[type] = NetworkConfig
    domain: ClassVar[Domain | None] = None
    """What networks of the space can read: images with a class each, or a graph; None where only building one tells."""
    preset_form: ClassVar[str] = ""
    """Which form of a method's presets suits searches here, one of :data:`PRESET_FORMS`; empty for the usual one."""
    tunable: Mapping[str, Range] = {}
    """Hyperparameters of size and training that tuning may vary, beside those of every training."""

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """The canonical string."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """The inverse of :meth:`format`. Raises :class:`ArchitectureError`, quoting what it could not read."""

    @abstractmethod
    def assemble(self, architecture: Architecture, network: Size, signature: Signature) -> nn.Module:
        """The modules of :meth:`build`, with whatever weights PyTorch gives them."""

    @final
    def build(
        self,
        architecture: Architecture,
        *,
        network: Size | str = "evaluation",
        signature: Signature | None = None,
        in_channels: int = 3,
        num_classes: int = 10,
        initialisation: str = "default",
        seed: int = 0,
    ) -> nn.Module:
        """A plain network for the inputs and outputs of ``signature``; without one, images [B, in_channels, H, W] of
        ``num_classes`` classes.

        ``network`` is a size of its own or the name of one in :attr:`networks`. The same seed gives the same weights;
        the global generator is left alone. Schemes of ``initialisation``: :mod:`nascence.initialisation`.
        """
        if isinstance(network, str):
            if network not in self.networks:
                raise UnknownNameError("network size", network, self.networks)
            network = self.networks[network]
        with seeded_globally(derive_seed(seed, "construction")):
            module = self.assemble(
                architecture, network, signature or Signature.images((in_channels, 32, 32), num_classes)
            )
        return initialise(module, initialisation, generator(seed, "weights"))

    def canonical(self, architecture: Architecture) -> Architecture:
        """One representative of all architectures that compute the same function; here the architecture itself."""
        return architecture

    @property
    def brings_weights(self) -> bool:
        """Whether :meth:`brought` gives any."""
        return False

    def brought(self, architecture: Architecture) -> dict[str, Tensor] | None:
        """Trained weights that the space brings for the network of an architecture, with which its training begins;
        here None, there are none."""
        return None

    def pieces(self, architecture: Architecture, network: Size, signature: Signature) -> Iterator[Piece] | None:
        """Parts whose parameters and FLOPs add up to the network's, where a space can name them without building it:
        counting each kind of part once is then much quicker than counting every network. Here None."""
        return None

    def cost_terms(self, network: Size, signature: Signature) -> Mapping[str, Sequence[Extent]] | None:
        """Where a space can say it: per cost (``params``, ``flops``) the numbers that add up to it, each a table over a
        few choices, whose rows are (choice's name, 0). Nothing is built then to count a network. Here None."""
        return None

    def unconnected(self, network: Size, signature: Signature, *, seed: int = 0) -> nn.Module | None:
        """Where examples are connected, as nodes by edges: a network of the same size that looks at each by itself, so
        that one can see what the connections are worth. It takes the same inputs. Here None."""
        return None

    def diagram(self, architecture: Architecture) -> tuple[Drawn, ...] | None:
        """The network as boxes and arrows, for spaces whose networks are drawn so: from inputs to outputs, every box
        after those that go into it. Here None."""
        return None

    def index(self, architecture: Architecture) -> int | None:
        """The official benchmark's number of an architecture, or None where there is none."""
        return None

    @final
    def check_signature(self, signature: Signature) -> None:
        """Raises :class:`SettingError` on data that networks of the space cannot read, by :attr:`domain`."""
        if self.domain == "images" and not signature.classes:
            raise SettingError(
                f"Networks of {self.name} tell images with classes apart, and these data are others; name another."
            )
        if self.domain == "graph" and signature.domain != "graph":
            raise SettingError(f"Networks of {self.name} read a graph, and these data are none; name another space.")

    def resized(self, network: Size, **changes: Any) -> Size:
        """``network`` with other values in some fields; None leaves one as it is.

        Raises :class:`SettingError` for a field that sizes of this space do not have.
        """
        known = [field.name for field in fields(self.size_class)]
        changes = {name: value for name, value in changes.items() if value is not None}
        for name in changes:
            if name not in known:
                there = f"their size has {', '.join(known)}" if known else "they have one size"
                raise SettingError(f"Networks of {self.name} have no {name} to set; {there}.")
        return replace(network, **changes)

    @property
    def as_cells(self) -> CellSpace | None:
        """The space itself where its networks are stacks of cells, for whoever draws or prices edges; here None."""
        return None

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        """What relaxations work on, in a fixed order; here none (:class:`nascence.spaces.relaxable.RelaxableSpace`)."""
        return ()

    @property
    def size(self) -> int:
        """The number of architectures."""
        return math.prod(len(choice.options) for choice in self.choices)

    @final
    def architecture(self, answers: Sequence[str]) -> Architecture:
        """A checked architecture. Raises :class:`ArchitectureError` on a wrong number of answers or a wrong one."""
        if len(answers) != len(self.choices):
            raise ArchitectureError(f"{self.name} asks {len(self.choices)} choices, got {len(answers)} answers.")
        for choice, answer in zip(self.choices, answers, strict=True):
            if answer not in choice.options:
                raise ArchitectureError(
                    f"'{answer}' is no option of {self.name}'s choice '{choice.name}'; options: "
                    f"{', '.join(choice.options)}."
                )
        return Architecture(self.name, tuple(answers))

    @final
    def sample(self, generator: torch.Generator) -> Architecture:
        """One architecture, uniformly."""
        return Architecture(self.name, tuple(_draw(choice.options, generator) for choice in self.choices))

    @final
    def mutate(self, architecture: Architecture, generator: torch.Generator, rate: float | None = None) -> Architecture:
        """A neighbour: one choice, drawn uniformly among those with two options or more, gets another answer.

        With ``rate``, each of these choices gets one with that chance, which may also change nothing. The other answer
        is drawn uniformly; where the choice is ordered, it is a step beside the old one in 7 of 10 cases.
        """
        open_choices = [i for i, choice in enumerate(self.choices) if len(choice.options) > 1]
        if rate is None:
            changed = [open_choices[_integer(len(open_choices), generator)]]
        else:
            chances = torch.rand(len(open_choices), generator=generator, dtype=torch.float64).tolist()
            changed = [at for at, chance in zip(open_choices, chances, strict=True) if chance < rate]
        answers = list(architecture.answers)
        for at in changed:
            answers[at] = _other(self.choices[at], answers[at], generator)
        return Architecture(self.name, tuple(answers))

    @final
    def crossover(self, first: Architecture, second: Architecture, generator: torch.Generator) -> Architecture:
        """Uniform crossover: every answer comes from either parent with equal chance."""
        heads = torch.randint(2, (len(self.choices),), generator=generator).tolist()
        pairs = zip(first.answers, second.answers, heads, strict=True)
        return Architecture(self.name, tuple(b if head else a for a, b, head in pairs))

    @final
    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """All architectures that differ in exactly one answer."""
        for at, choice in enumerate(self.choices):
            for option in choice.options:
                if option != architecture.answers[at]:
                    yield Architecture(self.name, (*architecture.answers[:at], option, *architecture.answers[at + 1 :]))

    @final
    def enumerate(self) -> Iterator[Architecture]:
        """All architectures in lexicographic order, last choice fastest. Raises where there are too many."""
        if self.size > ENUMERATION_LIMIT:
            raise ArchitectureError(
                f"{self.name} has {self.size:.3g} architectures, too many to enumerate; sample instead."
            )
        for answers in itertools.product(*(choice.options for choice in self.choices)):
            yield Architecture(self.name, answers)


def plain_size(network: Size) -> Size:
    """The size without what only training needs: no auxiliary head."""
    return replace(network, auxiliary=False) if getattr(network, "auxiliary", False) else network


def _other(choice: Choice, answer: str, generator: torch.Generator) -> str:
    """Another option of a choice than ``answer``."""
    at = choice.options.index(answer)
    if choice.ordered and float(torch.rand((), generator=generator, dtype=torch.float64)) < _STEP_BESIDE:
        return _draw([choice.options[step] for step in (at - 1, at + 1) if 0 <= step < len(choice.options)], generator)
    return _draw([option for option in choice.options if option != answer], generator)


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (1,), generator=generator))


def _draw(options: Sequence[str], generator: torch.Generator) -> str:
    return options[_integer(len(options), generator)]
