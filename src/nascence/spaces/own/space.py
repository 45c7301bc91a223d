"""A network of one's own as a space: a width for every group of channels, and whether each residual branch stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, fx, nn

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.spaces.base import Choice
from nascence.spaces.own import slicing
from nascence.spaces.own.analysis import Analysis, analyse
from nascence.spaces.own.graph import digest, to_json
from nascence.spaces.own.masking import Steps, masked
from nascence.spaces.own.pricing import prices
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MixedSupernet
from nascence.supernets.extents import Row
from nascence.tasks.base import Signature

EIGHTHS = ("1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8", "1")
BRANCH = ("keep", "skip")
PREFIX = "own-"


@final
@dataclass(frozen=True)
class OwnSize:
    """There is one size: the module's own."""


@final
class OwnSpace(RowwiseSpace):
    """Networks that are left of ``network`` when channels and branches go. Its name is a digest of graph, weights and
    inputs; the text of an architecture is its answers, separated by |: widths as parts of the whole, then branches.

    A width of k eighths keeps so many of a group's units, rounded up, those of the largest magnitude
    (:mod:`nascence.spaces.own.importance`). A unit is what must stay or go together: a channel of everything that is
    added up, a head of attention, a group of a convolution. ``trained``: whether the weights are worth keeping;
    ``borrowed``: parts that only the user's code can make. Raises :class:`SettingError` where nothing can be chosen.
    """

    size_class: ClassVar[type] = OwnSize
    preset_form: ClassVar[str] = "own"
    networks: Mapping[str, OwnSize] = dict.fromkeys(
        ("evaluation", "search", "search-small", "score", "ranking", "ranking-deep"), OwnSize()
    )

    def __init__(
        self,
        network: fx.GraphModule,
        signature: Signature,
        *,
        whole: Mapping[str, str] = {},
        trained: bool = True,
        borrowed: Mapping[str, str] = {},
    ) -> None:
        self.signature, self.trained, self.borrowed = signature, trained, dict(borrowed)
        self.written = to_json(network, borrowed)
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        inputs = {"signature": signature.to_dict(), "trained": trained}
        self.name = PREFIX + digest({**self.written, **inputs}, self.state)[:12]
        self.analysis = self._analysed(network, whole)
        self._counts = {group.name: _counts(len(group.units)) for group in self.analysis.channels.groups}
        self._groups, self._rows = self._grouped()
        widths = [Choice(name, tuple(options), ordered=True) for name, options in self._counts.items()]
        self.choices = (*widths, *(Choice(branch.name, BRANCH) for branch in self.analysis.branches))

    def _analysed(self, network: fx.GraphModule, whole: Mapping[str, str]) -> Analysis:
        """Everything at its thinnest must compute what the masks say; what alone does not is left whole."""
        left: dict[str, str] = {}
        while True:
            found = analyse(network, self.signature, whole, left)
            if _agrees(found, [g.name for g in found.channels.groups], [b.name for b in found.branches]):
                return found
            wrong = [group.name for group in found.channels.groups if not _agrees(found, [group.name], [])]
            wrong += [branch.name for branch in found.branches if not _agrees(found, [], [branch.name])]
            if not wrong:
                raise SettingError("This network cannot be made thinner: what is left of it computes something else.")
            left |= dict.fromkeys(wrong, "without some of it, what is left computes something else")

    def _grouped(self) -> tuple[tuple[ChoiceGroup, ...], dict[str, Row]]:
        """Rows of the same options make a group."""
        by_options: dict[tuple[str, ...], list[str]] = {}
        for name, counts in self._counts.items():
            by_options.setdefault(tuple(counts), []).append(name)
        groups = [
            ChoiceGroup("width" if options == EIGHTHS else f"width/{len(options)}", tuple(rows), options, "width")
            for options, rows in by_options.items()
        ]
        if self.analysis.branches:
            groups.append(ChoiceGroup("branch", tuple(each.name for each in self.analysis.branches), BRANCH, "skip"))
        return tuple(groups), {row: (group.name, at) for group in groups for at, row in enumerate(group.rows)}

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        return self._groups

    def format(self, architecture: Architecture) -> str:
        return "|".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.strip().split("|"))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Widths that are only inside of branches that are gone are 1."""
        answers = dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))
        gone = {
            str(node.target)
            for branch in self.analysis.branches
            if answers[branch.name] == BRANCH[1]
            for node in self.analysis.network.graph.nodes
            if node.name in branch.inside and node.op == "call_module"
        }
        for group in self.analysis.channels.groups:
            if set(group.layers) <= gone:
                answers[group.name] = "1"
        return Architecture(self.name, tuple(answers.values()))

    def assemble(self, architecture: Architecture, network: object, signature: Signature) -> nn.Module:
        self._fits(signature)
        return slicing.sliced(self.analysis, *self._of(architecture))

    @property
    def brings_weights(self) -> bool:
        return self.trained

    def brought(self, architecture: Architecture) -> dict[str, Tensor] | None:
        """The whole network's weights, as far as the architecture has them; None where they are not trained."""
        if not self.trained:
            return None
        return slicing.sliced(self.analysis, *self._of(architecture)).state_dict()

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        """The whole network with its own weights, masks and gates, whatever the ``seed``."""
        self._fits(signature)
        steps, gates = self._steps(), self._gates()
        return MixedSupernet(self.groups, masked(self.analysis, steps, gates), prices(self.analysis, steps, gates))

    def cost_terms(self, network: object, signature: Signature) -> dict[str, list[Extent]] | None:
        if signature.input_shape != self.signature.input_shape:
            return None
        return self.by_choice(prices(self.analysis, self._steps(), self._gates()))

    @property
    def largest(self) -> Architecture:
        """The whole network."""
        return self.architecture([BRANCH[0] if c.options == BRANCH else c.options[-1] for c in self.choices])

    def same_width(self, eighths: int) -> Architecture:
        """All branches, and of every group so many eighths of its units, rounded up as widths are."""
        answers = []
        for choice in self.choices:
            options = self._counts.get(choice.name)
            if options is None:
                answers.append(BRANCH[0])
                continue
            wanted = -(-options[choice.options[-1]] * eighths // len(EIGHTHS))
            answers.append(next(name for name, count in options.items() if count == wanted))
        return self.architecture(answers)

    def table(self) -> list[dict[str, Any]]:
        """What was found in the module, ready for JSON: ``part``, ``layers`` in it, and ``choice`` or why not."""
        found = [
            {"part": g.name, "layers": list(g.layers), "choice": f"{len(g.units)} units", "whole": None}
            for g in self.analysis.channels.groups
        ]
        found += [
            {"part": b.name, "layers": [], "choice": "keep or skip", "whole": None} for b in self.analysis.branches
        ]
        found += [{"part": p, "layers": [p], "choice": None, "whole": why} for p, why in self.analysis.whole.items()]
        return found

    def _of(self, architecture: Architecture) -> tuple[Any, frozenset[str]]:
        answers = dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))
        counts = {name: options[answers[name]] for name, options in self._counts.items()}
        skipped = frozenset(b.name for b in self.analysis.branches if answers[b.name] == BRANCH[1])
        return self.analysis.kept(counts), skipped

    def _steps(self) -> Steps:
        steps = {}
        for group in self.analysis.channels.groups:
            rank = torch.from_numpy(self.analysis.rank[list(group.units)])
            counts = torch.tensor(list(self._counts[group.name].values()))
            steps[group.name] = (self._rows[group.name], (rank < counts[:, None]).double())
        return steps

    def _gates(self) -> dict[str, Row]:
        return {branch.name: self._rows[branch.name] for branch in self.analysis.branches}

    def _fits(self, signature: Signature) -> None:
        own = self.signature
        if (signature.features, signature.outputs, signature.dense) != (own.features, own.outputs, own.dense):
            raise SettingError(
                f"{self.name} takes {own.features} channels to {own.outputs} outputs; these data have "
                f"{signature.features} and {signature.outputs}."
            )


def _agrees(analysis: Analysis, groups: Sequence[str], gone: Sequence[str]) -> bool:
    """Whether the network with half of each of ``groups``, and with a unit of each, and without the branches ``gone``
    computes what the whole one does behind its masks."""
    images = torch.rand(analysis.signature.example(2)[0].shape, generator=torch.Generator().manual_seed(0))
    known = {group.name: group for group in analysis.channels.groups}
    rows: dict[str, Row] = {name: ("width", at) for at, name in enumerate(known)}
    gates: dict[str, Row] = {branch.name: ("branch", at) for at, branch in enumerate(analysis.branches)}
    halves = {name: (1, len(known[name].units) // 2, len(known[name].units)) for name in known}
    steps = {}
    for name, counts in halves.items():
        rank = torch.from_numpy(analysis.rank[list(known[name].units)])
        steps[name] = (rows[name], (rank < torch.tensor(counts)[:, None]).double())
    groups_of = [ChoiceGroup("width", tuple(rows) or ("none",), ("one", "half", "all"), "width")]
    groups_of.append(ChoiceGroup("branch", tuple(gates) or ("none",), BRANCH, "skip"))
    supernet = MixedSupernet(groups_of, masked(analysis, steps, gates)).eval()
    for place in (0, 1):
        weights = {group.name: torch.zeros(group.shape) for group in groups_of}
        for name, (_, row) in rows.items():
            weights["width"][row, place if name in groups else 2] = 1.0
        for name, (_, row) in gates.items():
            weights["branch"][row, BRANCH.index("skip" if name in gone else "keep")] = 1.0
        kept = analysis.kept({name: halves[name][place] for name in groups})
        with torch.no_grad():
            expected = supernet(images, weights=weights)
            try:
                found = slicing.sliced(analysis, kept, frozenset(gone))(images)
            except (RuntimeError, TypeError, ValueError, IndexError):
                return False
        if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-3, atol=1e-4):
            return False
    return True


def _counts(units: int) -> dict[str, int]:
    """How many units each width keeps; of equal ones the first width's name goes, of all the name 1 stays."""
    found: dict[int, str] = {}
    for eighth, name in enumerate(EIGHTHS, 1):
        found[-(-units * eighth // 8)] = name
    return {name: count for count, name in found.items()}


def is_own(name: str) -> bool:
    return name.startswith(PREFIX)


__all__ = ["BRANCH", "EIGHTHS", "OwnSize", "OwnSpace", "is_own"]
