"""Blocks and networks: five searched blocks in three stages whose widths and depths are searched as well.

The space of Enhanced-Gradient NAS as we reconstruct it (Zhang et al., IEEE TNNLS 2023, arXiv 2103.12529; the paper's
own definition could not be obtained). Layout: stem, n1 blocks, a reduction, n2 blocks, a reduction, n3 blocks, global
pooling, classifier. The blocks of one stage are alike; those of different stages need not be.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import final

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.spaces.base import Choice, NetworkConfig, Space
from nascence.spaces.cells import CellShape
from nascence.spaces.nested import NestedSpace
from nascence.spaces.pairs import PairCellSpace, cell_pairs, inner_nodes, pair_choices
from nascence.spaces.stacks import Piece, Place, stack_pieces, thirds
from nascence.tasks.base import Signature

NONE = "none"
BLOCKS = ("normal", "reduce")
STAGES = ("stage1", "stage2", "stage3")
REDUCTIONS = ("reduce1", "reduce2")
KINDS = ("stage1", "reduce1", "stage2", "reduce2", "stage3")
_POOLS = ("max_pool_3x3", "avg_pool_3x3", "skip_connect")
_SEPARABLE = ("sep_conv_3x3", "sep_conv_5x5")
_LIGHT = ("light_sep_conv_3x3", "light_sep_conv_5x5")
_DILATED = ("dil_conv_3x3", "dil_conv_5x5")
_NODES = 4
_FULL_WIDTH = 16
"""The ``channels`` at which the answer to ``width`` is the width itself."""


def macro_choices() -> tuple[Choice, ...]:
    """Width of the first stage, blocks in each stage, and by how much each reduction widens."""
    depths = tuple(map(str, range(1, 7)))
    return (
        Choice("width", ("12", "14", "16", "18", "20", "22", "24"), ordered=True),
        *(Choice(f"{stage}/blocks", depths, ordered=True) for stage in STAGES),
        *(Choice(f"{reduction}/widen", ("1.5", "2"), ordered=True) for reduction in REDUCTIONS),
    )


@final
class BlockStack(PairCellSpace):
    """Blocks of some kinds in a fixed stack; a part of a space, so it is in no registry.

    ``places`` says which kind stands where in a network of a given size; ``options``: the operations that a block can
    have, all by default.
    """

    def __init__(
        self,
        name: str,
        kinds: tuple[str, ...],
        shape: CellShape,
        operations: tuple[str, ...],
        places: Callable[[NetworkConfig], Sequence[Place]],
        networks: Mapping[str, NetworkConfig],
        options: tuple[str, ...] | None = None,
    ) -> None:
        self.name, self.kinds, self.shape, self.operations = name, kinds, shape, operations
        self.choices = pair_choices(kinds, shape, options or operations)
        self._places, self.networks = places, networks

    def parse(self, text: str) -> Architecture:
        parts = [part.partition(":") for part in text.strip().split(";")]
        nodes = {kind: cell_pairs(self.shape, cell) for kind, _, cell in parts}
        if [kind for kind, _, _ in parts] != list(self.kinds) or None in nodes.values():
            form = ";".join(f"{kind}:|op~i|op~j|+..." for kind in self.kinds)
            raise ArchitectureError(
                f"'{text}' is no set of blocks of {self.name}; expected the form {form} with {_NODES} nodes each."
            )
        return self.from_edge_operations(
            {kind: self.cell_of(kind, found, text) for kind, found in nodes.items() if found is not None}
        )

    def canonical(self, architecture: Architecture) -> Architecture:
        """An edge with ``none`` comes from the first node it can come from."""
        answers: list[str] = []
        given = iter(architecture.answers)
        for _, target in itertools.product(self.kinds, inner_nodes(self.shape)):
            sources = next(given).split("+")
            edges = [(source, operation) for source in sources if (operation := next(given)) != NONE]
            for source in (str(source) for source in range(target)):
                if len(edges) == len(sources):
                    break
                if source not in (taken for taken, _ in edges):
                    edges.append((source, NONE))
            edges.sort(key=lambda edge: int(edge[0]))
            answers += ["+".join(source for source, _ in edges), *(operation for _, operation in edges)]
        return Architecture(self.name, tuple(answers))

    def places(self, network: NetworkConfig) -> Sequence[Place]:
        return self._places(network)


@final
class EG(NestedSpace):
    """Three stages of searched blocks between two searched reductions, with searched widths and depths.

    Every node of a block sums two operations on different earlier nodes; ``none`` leaves one out, which makes a block
    cheaper. ``light``: one depthwise-separable convolution where the others have two. ``inputs``: 2, or 1 for blocks
    that see the last block only. ``channels`` of a network size scales all widths; at 16 they are what they say.
    """

    domain = "images"
    outer = len(macro_choices())

    def __init__(self, name: str = "eg", *, light: bool = False, inputs: int = 2) -> None:
        self.name = name
        self.shape = CellShape(inputs=inputs, nodes=_NODES, output="concat", edges_per_node=2)
        self.operations = (NONE, *_POOLS, *(_LIGHT if light else _SEPARABLE), *_DILATED)
        self.choices = (*macro_choices(), *pair_choices(KINDS, self.shape, self.operations))
        self.networks = {
            "evaluation": NetworkConfig(channels=_FULL_WIDTH),
            "score": NetworkConfig(channels=2),
            "ranking": NetworkConfig(channels=4),
            "ranking-deep": NetworkConfig(channels=4),
        }
        self._stacks: dict[tuple[str, ...], BlockStack] = {}

    def cells(self, outer: tuple[str, ...]) -> BlockStack:
        if outer not in self._stacks:
            places = partial(_places, self.name, outer)
            self._stacks[outer] = BlockStack(self.name, KINDS, self.shape, self.operations, places, self.networks)
        return self._stacks[outer]

    def pieces(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> Iterator[Piece]:
        places = _places(self.name, architecture.answers[: self.outer], network)
        cells, inner = self.split(architecture)
        return stack_pieces(places, self.shape, cells.edge_operations(inner), network, signature)

    def block_search(self) -> BlockStack:
        """One normal and one reduction block in a network of ``depth`` cells, for a search of the blocks alone: those
        at one and two thirds reduce and double the width, as in DARTS. Size ``search``: 16 channels, 8 cells.
        ``none`` takes part in its supernets only."""
        networks = {"search": NetworkConfig(channels=16, depth=8, affine=False)}
        options = tuple(name for name in self.operations if name != NONE)
        return BlockStack(f"{self.name}-blocks", BLOCKS, self.shape, self.operations, thirds, networks, options)

    def format(self, architecture: Architecture) -> str:
        width, *rest = architecture.answers[: self.outer]
        depths, widen = ",".join(rest[: len(STAGES)]), ",".join(rest[len(STAGES) :])
        cells, inner = self.split(architecture)
        return f"width={width};blocks={depths};widen={widen};{cells.format(inner)}"

    def parse(self, text: str) -> Architecture:
        found = re.fullmatch(r"width=([0-9]{2});blocks=([0-9,]{5});widen=([0-9.,]{3,7});(.*)", text.strip(), re.DOTALL)
        if found is None:
            raise ArchitectureError(
                f"'{text}' is no architecture of {self.name}; expected the form width=16;blocks=2,2,2;widen=2,2;"
                f"{';'.join(f'{kind}:CELL' for kind in KINDS)} where CELL is |op~i|op~j|+... of {_NODES} nodes."
            )
        blocks = self.cells(tuple(choice.options[0] for choice in macro_choices())).parse(found[4])
        return self.architecture((found[1], *found[2].split(","), *found[3].split(","), *blocks.answers))


def _places(name: str, outer: Sequence[str], network: NetworkConfig) -> list[Place]:
    network.refuse(name, "depth")
    width, depths, widen = float(outer[0]), outer[1 : 1 + len(STAGES)], outer[1 + len(STAGES) :]
    wide = _even(width * network.channels / _FULL_WIDTH)
    places = []
    for at, (stage, depth) in enumerate(zip(STAGES, depths, strict=True)):
        places += [Place(stage, wide)] * int(depth)
        if at < len(REDUCTIONS):
            wide = _even(wide * float(widen[at]))
            places.append(Place(REDUCTIONS[at], wide, reduction=True))
    return places


def _even(width: float) -> int:
    """The nearest even number, halves up, at least 2."""
    return max(2, 2 * math.floor(width / 2 + 0.5))


def blocks_and_networks(space: Space, method: str) -> EG:
    """``space``, where its blocks are searched as well as the networks of them. Raises :class:`SettingError`."""
    if not isinstance(space, EG):
        raise SettingError(
            f"{method} searches blocks and networks, and {space.name} fixes one of them; type --space eg, or choose "
            "another method."
        )
    return space


def light() -> EG:
    """``eg-light``: for tiny networks."""
    return EG("eg-light", light=True)


def one_input() -> EG:
    """``eg-one-input``: blocks in a plain row."""
    return EG("eg-one-input", inputs=1)


__all__ = [
    "BLOCKS",
    "EG",
    "KINDS",
    "NONE",
    "REDUCTIONS",
    "STAGES",
    "BlockStack",
    "blocks_and_networks",
    "light",
    "macro_choices",
    "one_input",
]
