"""How the cells of a stage are wired, and how many there are; the cells themselves are given (H-DAS, stage level; Liu
et al., "Unchain the Search Space with Hierarchical Differentiable Architecture Search", AAAI 2021, arXiv 2101.04028).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.initialisation import initialise
from nascence.operations import NormConfig, ReLUConvBN, build_operation
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice, NetworkConfig, Size
from nascence.spaces.cells import Cell, Edge
from nascence.spaces.darts import DARTSSpace
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets import ChoiceGroup, MixedOperation, MixedSum, MixedSupernet
from nascence.tasks.base import Signature

DARTS_V2 = (
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|"
    "+|skip_connect~0|dil_conv_3x3~2|;"
    "reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|+|max_pool_3x3~0|skip_connect~2|"
    "+|max_pool_3x3~1|skip_connect~2|"
)
"""The cell that DARTS found on CIFAR-10 by its second order, whose networks have what a stage is to wire."""
STAGES = ("stage1", "stage2", "stage3")
OPERATIONS = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect")
MOST, FEWEST = 8, 4
"""Cells of a stage."""
CELLS = tuple(str(count) for count in range(FEWEST, MOST + 1))


def sources(node: int) -> range:
    """The states that node ``node`` can read: states 0 and 1 are the stage's input, state i + 2 is node i's cell; a
    window of three (rule 1)."""
    return range(2) if node == 0 else range(node - 1, node + 2)


EDGES = tuple((source, node) for node in range(MOST) for source in sources(node))
_SHORT = {"max_pool_3x3": "M", "avg_pool_3x3": "A", "skip_connect": "S"}
_LONG = {short: name for name, short in _SHORT.items()}


def _choices() -> tuple[Choice, ...]:
    choices = []
    for stage in STAGES:
        choices.append(Choice(f"{stage}/cells", CELLS, ordered=True))
        choices += [Choice(f"{stage}/{node}<-{source}", OPERATIONS[1:]) for source, node in EDGES]
        for node in range(1, MOST):
            pairs = itertools.combinations(sources(node), 2)
            choices.append(Choice(f"{stage}/{node}/inputs", tuple(f"{a}+{b}" for a, b in pairs)))
    return tuple(choices)


def _groups() -> tuple[ChoiceGroup, ...]:
    possible = (OPERATIONS[1:],) * len(EDGES)
    nodes = tuple(node for _, node in EDGES)
    stages = [
        ChoiceGroup(stage, tuple(f"{stage}/{n}<-{s}" for s, n in EDGES), OPERATIONS, "path", possible, nodes)
        for stage in STAGES
    ]
    return (*stages, ChoiceGroup("cells", tuple(f"{stage}/cells" for stage in STAGES), CELLS, role="exit"))


@final
class HDASStages(RelaxableSpace):
    """Three stages of 4 to 8 cells; every node of a stage is a whole cell, both of whose inputs are the sum of two of
    the three states before it (the first: of the stage's input, twice brought to the cells' width), each through a
    pooling or as it is. The stage's output are its last two cells side by side.

    The text is, stage by stage, the operation (S skip, M maximum, A average) and state of every cell's inputs:
    ``[S0 S1][S0 S1][S1 M2][M2 S4]`` and so on; in brackets and behind a stroke, what no cell of the network reads. In
    :meth:`canonical` that is all at its first options. ``cells``: a text of the space ``darts``, whose cells are wired.
    """

    name = "h-das-stages"
    domain = "images"
    choices = _choices()
    groups = _groups()
    networks = {
        "evaluation": NetworkConfig(channels=36),
        "search": NetworkConfig(channels=16, affine=False),
        "search-small": NetworkConfig(channels=4, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=2),
        "ranking": NetworkConfig(channels=4),
    }

    def __init__(self, cells: str = DARTS_V2) -> None:
        darts = DARTSSpace()
        self.cells = darts.edge_operations(darts.parse(cells))

    def format(self, architecture: Architecture) -> str:
        full = self._full(architecture)
        return ";".join(
            _stage_text(full[stage], len(cells)) for stage, cells in zip(STAGES, self.wiring(architecture), strict=True)
        )

    def parse(self, text: str) -> Architecture:
        answers = {choice.name: choice.options[0] for choice in self.choices}
        stages = text.strip().split(";")
        if len(stages) != len(STAGES):
            raise self._unreadable(text)
        for stage, written in zip(STAGES, stages, strict=True):
            read, slash, unread = written.partition("/")
            cells, beyond = (re.findall(r"\[([^\[\]]*)\]", part) for part in (read, unread))
            if "".join(f"[{cell}]" for cell in cells) + slash + "".join(f"[{cell}]" for cell in beyond) != written:
                raise self._unreadable(text)
            if str(len(cells)) not in CELLS or len(cells) + len(beyond) > MOST:
                raise self._unreadable(text)
            answers[f"{stage}/cells"] = str(len(cells))
            for node, cell in enumerate([*cells, *beyond]):
                answers |= self._node(stage, node, cell, text)
        found = self.architecture([answers[choice.name] for choice in self.choices])
        if self.format(found) != text.strip():
            raise ArchitectureError(f"'{text}' is no architecture of {self.name}; did you mean '{self.format(found)}'?")
        return found

    def _node(self, stage: str, node: int, cell: str, text: str) -> dict[str, str]:
        """The answers that one cell's text gives."""
        pairs = re.findall(r"(\()?([SMA])([0-9])\)?", cell)
        kept = [int(at) for aside, _, at in pairs if not aside]
        states = [int(at) for _, _, at in pairs]
        if len(kept) != 2 or len(set(states)) != len(states) or not set(states) <= set(sources(node)):
            seen = ", ".join(map(str, sources(node)))
            raise ArchitectureError(
                f"In '{text}', cell {node + 1} of {stage} reads two different ones of the states {seen}, not '{cell}'."
            )
        answers = {f"{stage}/{node}<-{at}": _LONG[short] for _, short, at in pairs}
        return answers | ({f"{stage}/{node}/inputs": "+".join(map(str, sorted(kept)))} if node else {})

    def _unreadable(self, text: str) -> ArchitectureError:
        return ArchitectureError(
            f"'{text}' is no architecture of {self.name}; three stages of {FEWEST} to {MOST} cells are expected: "
            "[S0 S1][S0 M1][S1 A2][S2 S3];...;..."
        )

    def _full(self, architecture: Architecture) -> dict[str, list[tuple[set[int], dict[int, str]]]]:
        """Per stage and node, read or not: the states that it keeps, and the operation on each that it can see."""
        answers = dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))
        return {
            stage: [
                (
                    set(map(int, (answers[f"{stage}/{node}/inputs"] if node else "0+1").split("+"))),
                    {at: answers[f"{stage}/{node}<-{at}"] for at in sources(node)},
                )
                for node in range(MOST)
            ]
            for stage in STAGES
        }

    def wired(self, stages: Sequence[Sequence[Sequence[tuple[str, int]]]]) -> Architecture:
        """From (operation, state) pairs per cell and stage. Raises :class:`ArchitectureError`."""
        answers = {choice.name: choice.options[0] for choice in self.choices}
        for stage, cells in zip(STAGES, stages, strict=True):
            answers[f"{stage}/cells"] = str(len(cells))
            for node, pairs in enumerate(cells):
                states = [at for _, at in pairs]
                if len(set(states)) != 2 or not set(states) <= set(sources(node)):
                    seen = ", ".join(map(str, sources(node)))
                    raise ArchitectureError(
                        f"Cell {node + 1} of {stage} reads two different ones of the states {seen}, not {states}."
                    )
                for operation, at in pairs:
                    answers[f"{stage}/{node}<-{at}"] = operation
                if node:
                    answers[f"{stage}/{node}/inputs"] = "+".join(map(str, sorted(states)))
        return self.architecture([answers[choice.name] for choice in self.choices])

    def wiring(self, architecture: Architecture) -> list[list[list[tuple[str, int]]]]:
        """Per stage and cell its two (operation, state) pairs."""
        answers = dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))
        stages = []
        for stage in STAGES:
            cells = []
            for node in range(int(answers[f"{stage}/cells"])):
                states = "0+1" if node == 0 else answers[f"{stage}/{node}/inputs"]
                cells.append([(answers[f"{stage}/{node}<-{at}"], int(at)) for at in states.split("+")])
            stages.append(cells)
        return stages

    def canonical(self, architecture: Architecture) -> Architecture:
        return self.wired(self.wiring(architecture))

    def depths(self, architecture: Architecture) -> list[int]:
        """Per stage the number of cells on the longest path to its output."""
        found = []
        for cells in self.wiring(architecture):
            depth = [0, 0]
            for pairs in cells:
                depth.append(1 + max(depth[at] for _, at in pairs))
            found.append(max(depth[-2:]))
        return found

    # Networks ---------------------------------------------------------------------------------------------------------

    def assemble(self, architecture: Architecture, network: Size, signature: Signature) -> nn.Module:
        wiring = self.wiring(architecture)

        def edges(stage: int, channels: int, norm: NormConfig) -> dict[tuple[int, int], nn.Module]:
            return {
                (at, node): _edge(operation, channels, norm)
                for node, pairs in enumerate(wiring[stage])
                for operation, at in pairs
            }

        return self._network(network, signature, edges, lambda stage: _LastTwo(len(wiring[stage]) - FEWEST))

    def one_hot(self, architecture: Architecture) -> dict[str, Tensor]:
        weights = {group.name: torch.zeros(group.shape) for group in self.groups}
        for at, (stage, cells) in enumerate(zip(STAGES, self.wiring(architecture), strict=True)):
            weights["cells"][at, len(cells) - FEWEST] = 1.0
            for node, pairs in enumerate(cells):
                for operation, source in pairs:
                    weights[stage][EDGES.index((source, node)), OPERATIONS.index(operation)] = 1.0
        return weights

    def supernet(self, network: Any, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        def edges(stage: int, channels: int, norm: NormConfig) -> dict[tuple[int, int], nn.Module]:
            return {
                edge: MixedOperation(STAGES[stage], row, [_edge(name, channels, norm) for name in OPERATIONS])
                for row, edge in enumerate(EDGES)
            }

        with seeded_globally(derive_seed(seed, "construction")):
            body = self._network(network, signature, edges, lambda stage: MixedSum("cells", stage))
        initialise(body, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, body)

    def choice_scores(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A cell's inputs score what the best operation on either edge scores, ``none`` aside."""
        known = {group.name for group in self.groups}
        found = {name: value for name, value in scores.items() if name not in known}
        for stage in STAGES:
            if stage in scores:
                rows = scores[stage][:, 1:]
                best = {edge: rows[at].max() for at, edge in enumerate(EDGES)}
                for at, (source, node) in enumerate(EDGES):
                    found[f"{stage}/{node}<-{source}"] = rows[at]
                for node in range(1, MOST):
                    pairs = itertools.combinations(sources(node), 2)
                    found[f"{stage}/{node}/inputs"] = torch.stack([best[a, node] + best[b, node] for a, b in pairs])
        if "cells" in scores:
            found |= {f"{stage}/cells": scores["cells"][at] for at, stage in enumerate(STAGES)}
        return found

    def _network(
        self,
        network: Any,
        signature: Signature,
        edges: Callable[[int, int, NormConfig], dict[tuple[int, int], nn.Module]],
        exits: Callable[[int], nn.Module],
    ) -> nn.Module:
        network.refuse(self.name, "depth", "stages", "stem_channels", "auxiliary")
        norm = NormConfig(network.affine, network.track_running_stats)
        return _Network(
            signature,
            network.channels,
            norm,
            lambda kind, inputs, channels: self._cell(kind, inputs, channels, norm),
            lambda stage, channels: edges(stage, channels, norm),
            exits,
        )

    def _cell(self, kind: str, in_channels: int, channels: int, norm: NormConfig) -> Cell:
        def fill(edge: Edge) -> nn.Module | None:
            name = self.cells[kind].get(edge.at)
            return None if name is None else build_operation(name, channels, channels, edge.stride, norm)

        inputs = [ReLUConvBN(in_channels, channels, 1, 1, norm) for _ in range(2)]
        return Cell(DARTSSpace.shape, kind, channels, norm, fill, inputs, reduction=kind == "reduce")


def _edge(name: str, channels: int, norm: NormConfig) -> nn.Module:
    """Poolings are normalised, as the paper's are."""
    operation = build_operation(name, channels, channels, 1, norm)
    if "pool" not in name:
        return operation
    statistics = nn.BatchNorm2d(channels, affine=norm.affine, track_running_stats=norm.track_running_stats)
    return nn.Sequential(operation, statistics)


def _stage_text(nodes: Sequence[tuple[set[int], dict[int, str]]], read: int) -> str:
    """The cells that are read, then, behind a stroke, those that are not, up to the last that is not usual."""
    texts = []
    for kept, operations in nodes:
        parts = [
            f"{_SHORT[name]}{at}" if at in kept else f"({_SHORT[name]}{at})"
            for at, name in operations.items()
            if at in kept or name != OPERATIONS[1]
        ]
        texts.append(f"[{' '.join(parts)}]")
    usual = [f"[M{first} M{first + 1}]" for first in (sources(node)[0] for node in range(MOST))]
    last = max([at + 1 for at in range(read, MOST) if texts[at] != usual[at]], default=read)
    return "".join(texts[:read]) + ("/" + "".join(texts[read:last]) if last > read else "")


class _LastTwo(nn.Module):
    """The given candidate for a stage's output."""

    def __init__(self, option: int) -> None:
        super().__init__()
        self.option = option

    def forward(self, candidates: Sequence[Tensor]) -> Tensor:
        return candidates[self.option]


class _Stage(nn.Module):
    def __init__(
        self, in_channels: int, channels: int, norm: NormConfig, cell: Callable[..., Cell], edges: Any, leave: nn.Module
    ) -> None:
        super().__init__()
        width = 4 * channels
        self.inputs = nn.ModuleList(ReLUConvBN(in_channels, width, 1, 1, norm) for _ in range(2))
        self.names = {edge: f"{edge[1]}<-{edge[0]}" for edge in edges}
        self.edges = nn.ModuleDict({self.names[edge]: module for edge, module in edges.items()})
        self.cells = nn.ModuleList(cell("normal", width, channels) for _ in range(1 + max(node for _, node in edges)))
        self.leave = leave

    def _longest(self) -> int:
        """How many cells are needed: in a supernet, for the last candidate that takes part."""
        if isinstance(self.leave, MixedSum):
            return FEWEST + max(option for option, _ in self.leave.terms())
        return len(self.cells)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        states = [module(x_BCHW) for module in self.inputs]
        for node in range(self._longest()):
            incoming = [
                self.edges[self.names[at, node]](states[at]) for at in sources(node) if (at, node) in self.names
            ]
            mixed = sum(incoming[1:], incoming[0])
            states.append(self.cells[node](mixed, mixed))
        counts = range(FEWEST, MOST + 1)
        last = [torch.cat(states[count : count + 2], 1) if count + 2 <= len(states) else states[0] for count in counts]
        return self.leave(last)


class _Network(nn.Module):
    """Stem, stage, reduction cell, stage, reduction cell, stage, mean over pixels, classifier."""

    def __init__(
        self,
        signature: Signature,
        channels: int,
        norm: NormConfig,
        cell: Callable[[str, int, int], Cell],
        edges: Callable[[int, int], dict[tuple[int, int], nn.Module]],
        exits: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(signature.features, 4 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(4 * channels)
        )
        self.stages, self.reductions = nn.ModuleList(), nn.ModuleList()
        width = 4 * channels
        for stage in range(len(STAGES)):
            if stage:
                channels *= 2
                self.reductions.append(cell("reduce", width, channels))
                width = 4 * channels
            self.stages.append(_Stage(width, channels, norm, cell, edges(stage, 4 * channels), exits(stage)))
            width = 8 * channels
        self.classifier = nn.Linear(width, signature.outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x = self.stem(x_BCHW)
        for at, stage in enumerate(self.stages):
            if at:
                x = self.reductions[at - 1](x, x)
            x = stage(x)
        return self.classifier(x.mean(dim=(2, 3)))


__all__ = ["CELLS", "DARTS_V2", "EDGES", "FEWEST", "MOST", "STAGES", "HDASStages", "sources"]
