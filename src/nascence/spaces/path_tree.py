"""Networks for super-resolution: a path of cells, their operations and their widths: the space of the Trilevel NAS of
Wu et al. (arXiv 2101.06658), as the code of its follow-up has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets import ChoiceGroup, Extent, MixedSupernet
from nascence.supernets.extents import Row, joined
from nascence.supernets.paths import (
    CELL,
    UP,
    MixedSlimCell,
    MixedSlot,
    MixedTree,
    PathNetwork,
    SlimCell,
    Tree,
    Up,
)
from nascence.supernets.slimmable import OPERATIONS, amount
from nascence.tasks.base import Signature

WIDTHS = ("4/12", "6/12", "8/12", "10/12", "12/12")

PUBLISHED: dict[str, tuple[str, str]] = {
    "A-1": ("path-tree-features", "0,0,0,1,0,1|01001,33312,00103,11011|4000,1140,4421,0411"),
    "A-2": (
        "path-tree-features",
        "0,0,0,0,0,1,1|33333,01313,33323,33322,13332|3042,4440,1122,2242,2000",
    ),
    "B-1": ("path-tree", "0,0,0|30333,30131,20000|1102,0300,4000"),
    "B-2": ("path-tree", "0,0,0,0,0,1|00330,32311,10103,33113,31111|1040,1232,4401,4300,1440"),
    "B-3": ("path-tree", "0,0,1,1|00020,33110|2033,4310"),
}
"""The architectures that the code lists, by name: space and text."""


@final
@dataclass(frozen=True, kw_only=True)
class PathTreeSize:
    """``channels``: of the features between cells, a multiple of eight. ``residual``: the output is added to the
    picture, enlarged bilinearly; otherwise it goes through a tanh, as in the published networks."""

    channels: int
    residual: bool = False

    def __post_init__(self) -> None:
        if self.channels < 8 or self.channels % 8:
            raise SettingError(f"A path tree needs a multiple of 8 channels, not {self.channels}.")


class PathTree(RelaxableSpace):
    """A path of at most ``cells`` cells and ``ups`` ups after a stem; the first ``fixed`` cells are in every path.

    A cell is x + 0.2 f(x) with ``slots`` operations in f and a width for every tensor between them. Cells are counted
    along the path, so an architecture says nothing of cells that its path does not reach; in the supernet every edge of
    the tree of paths has modules of its own. The text: path (0 a cell, 1 an up), operations (0 skip, which is a 1 x 1
    convolution, 1 conv3x3, 2 residual, 3 dws) and widths (0 to 4 for 4, 6, 8, 10, 12 twelfths) of each cell::

        0,0,0|30333,30131,20000|1102,0300,4000

    Cells beyond the path have zeros, and may be left out. ``enlarged``: ups double height and width; otherwise they are
    plain convolutions, and the tail enlarges.
    """

    size_class: ClassVar[type] = PathTreeSize

    def __init__(
        self,
        name: str,
        *,
        cells: int,
        ups: int,
        fixed: int,
        slots: int,
        enlarged: bool = False,
        size: PathTreeSize = PathTreeSize(channels=64),
    ) -> None:
        """``size``: of the network that is trained in the end; the small one for searching has 16 channels."""
        self.name = name
        self.networks = {"evaluation": size, "search": size, "search-small": replace(size, channels=16)}
        self.cells, self.ups, self.slots, self.enlarged = cells, ups, slots, enlarged
        self.tree = Tree.grow(cells, ups, fixed)
        last = [path for path in self.tree.maps if not enlarged or path.count(UP) == ups]
        self.paths = {",".join(map(str, path)): path for path in last}
        names = [f"cell{number}" for number in range(1, cells + 1)]
        self.choices = (
            Choice("path", tuple(self.paths)),
            *(Choice(f"{cell}/operation{slot}", OPERATIONS) for cell in names for slot in range(1, slots + 1)),
            *(Choice(f"{cell}/width{slot}", WIDTHS, ordered=True) for cell in names for slot in range(1, slots)),
        )

    @cached_property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        """The path; the operations and the widths of every cell of the tree."""
        count = len(self.tree.cell)
        maps = tuple(",".join(map(str, path)) for path in self.tree.maps)
        operations = [f"tree{cell}/operation{slot}" for cell in range(count) for slot in range(1, self.slots + 1)]
        widths = [f"tree{cell}/width{slot}" for cell in range(count) for slot in range(1, self.slots)]
        possible = (tuple(self.paths),) if len(self.paths) < len(maps) else None
        return (
            ChoiceGroup("paths", ("path",), maps, "path", possible),
            ChoiceGroup("operations", tuple(operations), OPERATIONS),
            ChoiceGroup("widths", tuple(widths), WIDTHS, "width"),
        )

    def one_hot(self, architecture: Architecture) -> dict[str, Tensor]:
        """Cells that the path does not go through have their first options."""
        path, operations, widths = self._read(architecture)
        weights = {group.name: torch.zeros(group.shape) for group in self.groups}
        weights["paths"][0, self.tree.maps.index(path)] = 1.0
        weights["operations"][:, 0] = 1.0
        weights["widths"][:, 0] = 1.0
        for place, cell in enumerate(self.tree.cells_of(path)):
            for name, answers in (("operations", operations[place]), ("widths", widths[place])):
                rows = slice(cell * len(answers), (cell + 1) * len(answers))
                weights[name][rows] = nn.functional.one_hot(torch.tensor(answers), weights[name].shape[1]).float()
        return weights

    def choice_scores(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of the cells along the best path, and on along the best of the whole paths that begin with it."""
        known = {group.name for group in self.groups}
        found = {name: value for name, value in scores.items() if name not in known}
        if "paths" not in scores:
            return found
        options = [self.tree.maps.index(path) for path in self.paths.values()]
        found["path"] = scores["paths"][0, options]
        best = list(self.paths.values())[int(found["path"].argmax())]
        whole = [leaf for leaf in self.tree.leaves if leaf[: len(best)] == best]
        row_O = scores["paths"][0].detach()
        along = self.tree.cells_of(max(whole, key=lambda leaf: float(row_O[self.tree.maps.index(leaf)])))
        for place in range(self.cells):
            for name, kind, count in (
                ("operations", "operation", self.slots),
                ("widths", "width", self.slots - 1),
            ):
                for slot in range(count):
                    value = scores[name].new_zeros(scores[name].shape[1])
                    if place < len(along):
                        value = scores[name][along[place] * count + slot]
                    found[f"cell{place + 1}/{kind}{slot + 1}"] = value
        return found

    def format(self, architecture: Architecture) -> str:
        path, operations, widths = self._read(architecture)
        used = path.count(CELL)
        if not any(any(cell) for part in (operations, widths) for cell in part[used:]):
            operations, widths = operations[:used], widths[:used]
        texts = [",".join("".join(map(str, cell)) for cell in part) for part in (operations, widths)]
        return "|".join([architecture.answers[0], *texts])

    def parse(self, text: str) -> Architecture:
        """Also one of :data:`PUBLISHED` by its name, in the space that it is of."""
        text = text.strip()
        if text in PUBLISHED and PUBLISHED[text][0] == self.name:
            text = PUBLISHED[text][1]
        match = re.fullmatch(r"([01](?:,[01])*)\|([\d,]+)\|([\d,]+)", text, re.ASCII)
        if match is None or match[1] not in self.paths:
            raise ArchitectureError(
                f"'{text[:80]}' is no architecture of {self.name}; expected such as {self._example}."
            )
        used = match[1].count(str(CELL))
        parts = []
        for digits, length, options in ((match[2], self.slots, OPERATIONS), (match[3], self.slots - 1, WIDTHS)):
            cells = digits.split(",")
            right = all(len(cell) == length and all(int(d) < len(options) for d in cell) for cell in cells)
            if len(cells) not in (used, self.cells) or not right:
                raise ArchitectureError(
                    f"'{digits[:80]}' does not fit the path {match[1]} of {self.name}; expected {used} times {length} "
                    f"digits below {len(options)}, separated by commas."
                )
            cells += ["0" * length] * (self.cells - len(cells))
            parts += [options[int(digit)] for cell in cells for digit in cell]
        return self.architecture([match[1], *parts])

    def canonical(self, architecture: Architecture) -> Architecture:
        path, operations, widths = self._read(architecture)
        used = path.count(CELL)
        kept = [
            [cell if at < used else [0] * len(cell) for at, cell in enumerate(part)] for part in (operations, widths)
        ]
        answers = [OPERATIONS[number] for cell in kept[0] for number in cell]
        answers += [WIDTHS[number] for cell in kept[1] for number in cell]
        return self.architecture([architecture.answers[0], *answers])

    def assemble(self, architecture: Architecture, network: Any, signature: Signature) -> nn.Module:
        path, operations, widths = self._read(architecture)
        self._check(signature, path.count(UP))
        channels, cells = network.channels, 0
        body: list[nn.Module] = []
        table = scaled_widths(channels)
        for step in path:
            if step == UP:
                body.append(Up(channels, self.enlarged))
                continue
            inner = [table[number] for number in widths[cells]]
            names = [OPERATIONS[number] for number in operations[cells]]
            body.append(SlimCell(names, [channels, *inner, channels]))
            cells += 1
        return PathNetwork(nn.Sequential(*body), channels, signature, enlarged=self.enlarged, residual=network.residual)

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, PathTreeSize)
        self._check(signature, self.ups)
        channels, widths = network.channels, scaled_widths(network.channels)
        with seeded_globally(derive_seed(seed, "construction")):
            cells = [self._mixed_cell(cell, channels, widths) for cell in range(len(self.tree.cell))]
            ups = [Up(channels, self.enlarged) for _ in self.tree.up]
            tree = MixedTree(self.tree, cells, ups)
            network_of_all = PathNetwork(tree, channels, signature, enlarged=self.enlarged, residual=network.residual)
        module = initialise(network_of_all, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, module, self._costs(channels, signature))

    def _costs(self, channels: int, signature: Signature) -> dict[str, list[Extent]]:
        """``params``, and ``flops`` on the signature's size: of every slot of every cell and of every up, where the
        path goes through it."""
        tree, table = self.tree, [float(width) for width in scaled_widths(channels)]
        pixels = signature.size[0] * signature.size[1]
        params, macs = self._ends(channels, signature)
        for path, cell in tree.cell.items():
            used, area = self._reached(path), pixels * (4 ** path.count(UP) if self.enlarged else 1)
            for slot in range(self.slots):
                sides = [
                    Extent.of(("widths", cell * (self.slots - 1) + at), table)
                    if 0 <= at < self.slots - 1
                    else Extent.fixed(channels)
                    for at in (slot - 1, slot)
                ]
                total = used * _slot_amount(("operations", cell * self.slots + slot), sides)
                params.append(total)
                macs.append(area * total)
        for path in tree.up:
            used, area = self._reached(path), pixels * (4 ** path.count(UP) if self.enlarged else 1)
            params.append((9 * channels + 1.0) * channels * used)
            macs.append(9.0 * channels * channels * area * used)
        return {"params": params, "flops": [2 * part for part in macs]}

    def _ends(self, channels: int, signature: Signature) -> tuple[list[Extent], list[Extent]]:
        """Parameters, and multiply-adds, of stem and tail."""
        shuffle = 1 if self.enlarged else signature.scale
        stem, tail = 9 * signature.features * channels, 9 * channels * signature.outputs * shuffle**2
        pixels = signature.size[0] * signature.size[1]
        final = signature.scale**2 if self.enlarged else 1
        params = Extent.fixed(stem + tail + channels + signature.outputs * shuffle**2)
        return [params], [Extent.fixed(pixels * (stem + final * tail))]

    def _reached(self, path: tuple[int, ...]) -> Extent:
        """1 where the chosen path goes through the module that ends ``path``."""
        return Extent.of(("paths", 0), [float(each[: len(path)] == path) for each in self.tree.maps])

    def cost_terms(self, network: Any, signature: Signature) -> dict[str, list[Extent]]:
        """Over the choices: cells are counted along the path."""
        self._check(signature, self.ups)
        channels, table = network.channels, [float(w) for w in scaled_widths(network.channels)]
        pixels = signature.size[0] * signature.size[1]
        params, macs = self._ends(channels, signature)
        row = ("path", 0)
        steps = list(self.paths.values())
        for place in range(self.cells):
            before = [_ups_before_cell(path, place) for path in steps]  # None where there is no such cell
            used = Extent.of(row, [float(ups is not None) for ups in before])
            areas = [0.0 if ups is None else float(pixels * (4**ups if self.enlarged else 1)) for ups in before]
            cell = f"cell{place + 1}"
            for slot in range(1, self.slots + 1):
                sides = [
                    Extent.of((f"{cell}/width{at}", 0), table) if 0 < at < self.slots else Extent.fixed(channels)
                    for at in (slot - 1, slot)
                ]
                total = _slot_amount((f"{cell}/operation{slot}", 0), sides)
                params.append(used * total)
                macs.append(Extent.of(row, areas) * total)
        each = 9 * channels * channels
        params.append(Extent.of(row, [float(path.count(UP) * (each + channels)) for path in steps]))
        sizes = [sum(4 ** (at + 1) if self.enlarged else 1 for at in range(path.count(UP))) for path in steps]
        macs.append(Extent.of(row, [float(pixels * each * size) for size in sizes]))
        return {"params": params, "flops": [2 * part for part in macs]}

    def inherited(self, supernet: MixedSupernet, architecture: Architecture, network: nn.Module) -> dict[str, Tensor]:
        """A state dict for ``network``, the one of ``architecture``, from the supernet's modules along its path."""
        path, operations, _ = self._read(architecture)
        source = supernet.network.state_dict()
        state = {}
        for name, value in network.state_dict().items():
            parts = name.split(".")
            if parts[0] == "body":
                at = int(parts[1])
                prefix = path[: at + 1]
                if path[at] == UP:
                    parts[:2] = ["body", "ups", str(self.tree.up[prefix])]
                else:
                    chosen = operations[prefix.count(CELL) - 1][int(parts[3])]
                    slot = [parts[2], parts[3], "candidates", str(chosen)]
                    parts = ["body", "cells", str(self.tree.cell[prefix]), *slot, *parts[4:]]
            whole = source[".".join(parts)]
            state[name] = whole[tuple(slice(length) for length in value.shape)].clone()
        return state

    def _mixed_cell(self, cell: int, channels: int, widths: Sequence[int]) -> MixedSlimCell:
        inner = self.slots - 1
        slots = []
        for slot in range(self.slots):
            before = cell * inner + slot - 1 if slot else None
            after = cell * inner + slot if slot < inner else None
            slots.append(MixedSlot(cell * self.slots + slot, channels, before, after, widths))
        return MixedSlimCell(slots)

    def _check(self, signature: Signature, ups: int) -> None:
        if not signature.dense or signature.features != signature.outputs:
            raise SettingError(f"Networks of {self.name} make pictures of pictures, as --task super-resolve asks for.")
        if self.enlarged and 2**ups != signature.scale:
            raise SettingError(f"{self.name} enlarges {2**self.ups} times; add --scale {2**self.ups}.")

    def _read(self, architecture: Architecture) -> tuple[tuple[int, ...], list[list[int]], list[list[int]]]:
        """Path, and for each cell the numbers of its operations and of its widths."""
        path, *answers = architecture.answers
        cut = self.cells * self.slots
        operations = [OPERATIONS.index(answer) for answer in answers[:cut]]
        widths = [WIDTHS.index(answer) for answer in answers[cut:]]
        return (
            self.paths[path],
            [operations[at : at + self.slots] for at in range(0, cut, self.slots)],
            [widths[at : at + self.slots - 1] for at in range(0, len(widths), self.slots - 1)],
        )

    @property
    def _example(self) -> str:
        path = next(iter(self.paths))
        used = path.count(str(CELL))
        return "|".join([path, ",".join(["1" * self.slots] * used), ",".join(["4" * (self.slots - 1)] * used)])


def _slot_amount(row: Row, sides: Sequence[Extent]) -> Extent:
    """Of the operation that ``row`` chooses, between the widths ``sides``."""
    parts = [
        Extent.chosen(row, len(OPERATIONS), number) * joined(_amounts(name), *sides)
        for number, name in enumerate(OPERATIONS)
    ]
    return parts[0] + parts[1] + parts[2] + parts[3]


def _ups_before_cell(path: tuple[int, ...], place: int) -> int | None:
    """How many ups come before cell number ``place``, from 0; None where the path has no such cell."""
    places = [at for at, step in enumerate(path) if step == CELL]
    return path[: places[place]].count(UP) if place < len(places) else None


def _amounts(name: str) -> Callable[..., Tensor]:
    """:func:`nascence.supernets.slimmable.amount` of tables of widths."""

    def table(inputs: Tensor, outputs: Tensor) -> Tensor:
        inputs, outputs = torch.broadcast_tensors(inputs, outputs)
        pairs = zip(inputs.flatten().tolist(), outputs.flatten().tolist(), strict=True)
        values = [float(amount(name, int(i), int(o))) for i, o in pairs]
        return torch.tensor(values, dtype=torch.float64).view(inputs.shape)

    return table


def scaled_widths(channels: int) -> list[int]:
    """4, 6, 8, 10 and 12 twelfths, rounded to an eighth of the channels and never below 90 %: at 64, 24 32 40 56 64."""
    step = channels // 8
    found = []
    for share in WIDTHS:
        exact = channels * int(share.partition("/")[0]) / 12
        rounded = max(step, int(exact + step / 2) // step * step)
        found.append(rounded + step if rounded < 0.9 * exact else rounded)
    return found


def path_tree() -> PathTree:
    """The published variant B: 55 paths; the tail enlarges."""
    return PathTree("path-tree", cells=5, ups=2, fixed=1, slots=5)


def path_tree_features() -> PathTree:
    """The published variant A, for a scale of 4: features are enlarged twice along the path."""
    return PathTree("path-tree-features", cells=5, ups=2, fixed=1, slots=5, enlarged=True)


def path_tree_small() -> PathTree:
    """One to three cells of three operations, added to the enlarged picture: for a laptop, where networks that have to
    learn all of a picture, through a tanh, are not done learning before the time is up."""
    return PathTree("path-tree-small", cells=3, ups=0, fixed=1, slots=3, size=PathTreeSize(channels=16, residual=True))


__all__ = ["PUBLISHED", "WIDTHS", "PathTree", "PathTreeSize", "path_tree", "path_tree_features", "path_tree_small"]
