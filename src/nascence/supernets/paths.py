"""Trees of cells for super-resolution: one path of them, or all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from nascence.supernets.mixed import MixedPart, scaled
from nascence.supernets.slimmable import OPERATIONS, SlimOperation, pad_channels
from nascence.tasks.base import Signature

CELL, UP = 0, 1
_RESIDUAL = 0.2

Path = tuple[int, ...]
"""What a feature map is made by, step by step: :data:`CELL` or :data:`UP`."""


@final
@dataclass(frozen=True)
class Tree:
    """``maps``: every feature map that can be the last, in the order of a depth-first search; ``cell`` and ``up``: the
    number of the module that makes a map from the one before it. Every edge of the tree has a module of its own."""

    maps: tuple[Path, ...]
    cell: Mapping[Path, int]
    up: Mapping[Path, int]

    @classmethod
    def grow(cls, cells: int, ups: int, fixed: int) -> Tree:
        """At most ``cells`` cells, of which the first ``fixed`` are in every path, and at most ``ups`` ups.

        Children are put on a stack, the cell first, and the one on top is next; cells are numbered when they are put
        there, as in the code that the published architectures come from.
        """
        root = (CELL,) * fixed
        cell = {root[: at + 1]: at for at in range(fixed)}
        up: dict[Path, int] = {}
        maps, stack = [], [root]
        while stack:
            path = stack.pop()
            maps.append(path)
            if path.count(CELL) < cells:
                cell[(*path, CELL)] = len(cell)
                stack.append((*path, CELL))
            if path.count(UP) < ups:
                up[(*path, UP)] = len(up)
                stack.append((*path, UP))
        return cls(tuple(maps), cell, up)

    @property
    def leaves(self) -> tuple[Path, ...]:
        """Maps that nothing follows."""
        made = {*self.cell, *self.up}
        return tuple(path for path in self.maps if not {(*path, CELL), (*path, UP)} & made)

    def cells_of(self, path: Path) -> list[int]:
        """The cells that a path goes through."""
        return [self.cell[path[: at + 1]] for at, step in enumerate(path) if step == CELL]


@final
class SlimCell(nn.Module):
    """x + 0.2 f(x), f a chain of operations of given names; ``widths``: of all tensors, the first and the last too."""

    def __init__(self, names: Sequence[str], widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        pairs = zip(names, widths, widths[1:], strict=False)
        self.slots = nn.ModuleList(SlimOperation(name, i, o, fixed=True) for name, i, o in pairs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out = x_BCHW
        for slot, outputs in zip(self.slots, self.widths[1:], strict=True):
            out = slot(out, outputs)
        return x_BCHW + _RESIDUAL * out


@final
class MixedSlot(MixedPart):
    """sum_o alpha_o sum_i a_i sum_k b_k o(x's first w_i channels; w_k): all operations at all widths of the tensor
    before and after them. ``before``, ``after``: rows of these widths, None where the width is full."""

    def __init__(self, row: int, channels: int, before: int | None, after: int | None, widths: Sequence[int]) -> None:
        rows = [("widths", number) for number in (before, after) if number is not None]
        super().__init__("operations", row, *rows)
        self.candidates = nn.ModuleList(SlimOperation(name, channels, channels) for name in OPERATIONS)
        self.channels, self.before, self.after, self.widths = channels, before, after, tuple(widths)

    def forward(self, states: list[tuple[Tensor | None, Tensor]]) -> list[tuple[Tensor | None, Tensor]]:
        """From (weight of a width, tensor of that width) for all widths that take part to the same after the slot."""
        following: list[tuple[Tensor | None, int]] = [(None, self.channels)]
        if self.after is not None:
            following = [(weight, self.widths[option]) for option, weight in self.terms(-1)]
        made: list[tuple[Tensor | None, Tensor]] = []
        for weight, outputs in following:
            total: Tensor | None = None
            for share, x_BCHW in states:
                for option, alpha in self.terms():
                    out = scaled(share, scaled(alpha, self.candidates[option](x_BCHW, outputs)))
                    total = out if total is None else total + out
            assert total is not None
            made.append((weight, total))
        return made


@final
class MixedSlimCell(nn.Module):
    """A cell with all operations in every slot and all widths of every tensor between slots."""

    def __init__(self, slots: Sequence[MixedSlot]) -> None:
        super().__init__()
        self.slots = nn.ModuleList(slots)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        states: list[tuple[Tensor | None, Tensor]] = [(None, x_BCHW)]
        for slot in self.slots:
            states = slot(states)
        (last,) = states
        return x_BCHW + _RESIDUAL * pad_channels(last[1], x_BCHW.shape[1])


@final
class Up(nn.Module):
    """A 3 x 3 convolution, after doubling by nearest pixels and before a leaky ReLU where features are ``enlarged``."""

    def __init__(self, channels: int, enlarged: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)
        self.enlarged = enlarged

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not self.enlarged:
            return self.convolution(x_BCHW)
        return F.leaky_relu(self.convolution(F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")), 0.2)


@final
class PathNetwork(nn.Module):
    """Stem, the modules of a path, and a tail that makes a picture of ``scale`` times the size: in [0, 1] by a tanh, or
    added to the input, enlarged bilinearly, if ``residual``.

    ``enlarged``: the path's ups do so, and the tail is a convolution; else its outputs are shuffled into pixels.
    """

    def __init__(
        self, body: nn.Module, channels: int, signature: Signature, *, enlarged: bool, residual: bool = False
    ) -> None:
        super().__init__()
        self.scale, self.residual = signature.scale, residual
        self.stem = nn.Conv2d(signature.features, channels, 3, padding=1)
        self.body = body
        shuffle = 1 if enlarged else signature.scale
        self.tail = nn.Sequential(
            nn.Conv2d(channels, signature.outputs * shuffle**2, 3, padding=1), nn.PixelShuffle(shuffle)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        output: Tensor = self.tail(self.body(self.stem(x_BCHW)))
        if not self.residual:
            return (output.tanh() + 1) / 2
        if self.scale == 1:
            return x_BCHW + output
        return output + F.interpolate(x_BCHW, scale_factor=float(self.scale), mode="bilinear", align_corners=False)


@final
class MixedTree(MixedPart):
    """sum_g gamma_g h_g over all feature maps g of a tree. A map of weight zero without a descendant of any weight is
    not computed (where the weights' own gradients are not asked for, or ``sparse``)."""

    def __init__(self, tree: Tree, cells: Sequence[nn.Module], ups: Sequence[nn.Module]) -> None:
        super().__init__("paths", 0)
        self.tree = tree
        self.cells, self.ups = nn.ModuleList(cells), nn.ModuleList(ups)
        self.ran = 0
        """Modules of the tree that the last pass ran."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        states: dict[Path, Tensor] = {}
        self.ran = 0
        total: Tensor | None = None
        for option, weight in self.terms():
            part = scaled(weight, self._state(self.tree.maps[option], x_BCHW, states))
            total = part if total is None else total + part
        assert total is not None
        return total

    def _state(self, path: Path, x_BCHW: Tensor, states: dict[Path, Tensor]) -> Tensor:
        if not path:
            return x_BCHW
        if path not in states:
            before = self._state(path[:-1], x_BCHW, states)
            module = self.cells[self.tree.cell[path]] if path[-1] == CELL else self.ups[self.tree.up[path]]
            states[path] = module(before)
            self.ran += 1
        return states[path]


__all__ = ["CELL", "UP", "MixedSlimCell", "MixedSlot", "MixedTree", "PathNetwork", "SlimCell", "Tree", "Up"]
