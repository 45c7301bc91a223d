"""The networks of a space of blocks and networks whose blocks all come from a pool.

As in Enhanced-Gradient NAS's second stage: a chromosome of eleven small numbers instead of every operation of every
block. A part of that space, so it is in no registry, and its text is that of the whole space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.spaces.base import Choice, NetworkConfig, Space
from nascence.spaces.eg import EG, KINDS, REDUCTIONS, macro_choices
from nascence.spaces.stacks import Piece
from nascence.tasks.base import Signature

Block = tuple[str, ...]
"""The answers of one block, node after node."""


@final
@dataclass(frozen=True)
class BlockPool:
    """Blocks to build from, all different, at least one of each kind."""

    normals: tuple[Block, ...]
    reductions: tuple[Block, ...]

    def to_dict(self) -> dict[str, list[list[str]]]:
        return {"normals": [list(block) for block in self.normals], "reductions": [list(b) for b in self.reductions]}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BlockPool:
        return cls(*(tuple(tuple(block) for block in value[name]) for name in ("normals", "reductions")))


@final
class PooledNetworks(Space):
    """Choices: width, blocks per stage and widening as in ``space``, then, per stage and reduction, which block of the
    pool it uses."""

    def __init__(self, space: EG, pool: BlockPool) -> None:
        self.name, self.space, self.pool, self.networks = space.name, space, pool, space.networks
        self._blocks = {kind: pool.reductions if kind in REDUCTIONS else pool.normals for kind in KINDS}
        numbers = {kind: tuple(map(str, range(len(blocks)))) for kind, blocks in self._blocks.items()}
        self.choices = (*macro_choices(), *(Choice(kind, numbers[kind]) for kind in KINDS))

    def decode(self, chromosome: Architecture) -> Architecture:
        """The architecture of the whole space."""
        outer, genes = chromosome.answers[: self.space.outer], chromosome.answers[self.space.outer :]
        blocks = (self._blocks[kind][int(gene)] for kind, gene in zip(KINDS, genes, strict=True))
        return self.space.architecture((*outer, *(answer for block in blocks for answer in block)))

    def encode(self, architecture: Architecture) -> Architecture:
        """The inverse of :meth:`decode`. Raises :class:`ArchitectureError` when a block is not in the pool."""
        outer, rest = architecture.answers[: self.space.outer], architecture.answers[self.space.outer :]
        length = len(rest) // len(KINDS)
        genes = []
        for at, kind in enumerate(KINDS):
            block = rest[at * length : (at + 1) * length]
            if block not in self._blocks[kind]:
                raise ArchitectureError(f"The block {kind} of '{architecture}' is not in the pool.")
            genes.append(str(self._blocks[kind].index(block)))
        return self.architecture((*outer, *genes))

    def format(self, architecture: Architecture) -> str:
        return self.space.format(self.decode(architecture))

    def parse(self, text: str) -> Architecture:
        return self.encode(self.space.parse(text))

    def pieces(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> Iterator[Piece]:
        return self.space.pieces(self.decode(architecture), network, signature)

    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        return self.space.assemble(self.decode(architecture), network, signature)


def pool_of(normals: Sequence[Block], reductions: Sequence[Block]) -> BlockPool:
    """A pool of some blocks, each once, in the order given."""
    return BlockPool(tuple(dict.fromkeys(normals)), tuple(dict.fromkeys(reductions)))


__all__ = ["Block", "BlockPool", "PooledNetworks", "pool_of"]
