"""The DARTS space: a normal and a reduction cell, two incoming operations per inner node (Liu et al., ICLR 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, final

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.spaces.base import NetworkConfig
from nascence.spaces.cells import CellShape
from nascence.spaces.pairs import PairCellSpace, cell_pairs, pair_choices
from nascence.spaces.stacks import Place, thirds

_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_SHAPE = CellShape(inputs=2, nodes=4, output="concat", edges_per_node=2)
_KINDS = ("normal", "reduce")
_CONCAT = r"(?:range\(2,6\)|\[2,3,4,5\])"
_PAIRS = r"(?:\(['\"]\w+['\"],[0-9]\),?)*"
_GENOTYPE = (
    rf"(?:\w+=)?Genotype\(normal=\[(?P<normal>{_PAIRS})\],(?:normal_concat={_CONCAT},)?"
    rf"reduce=\[(?P<reduce>{_PAIRS})\],?(?:reduce_concat={_CONCAT},?)?\)"
)
_FORM = "normal:|op~0|op~1|+|op~i|op~j|+|op~i|op~j|+|op~i|op~j|;reduce:(likewise)"


@final
class DARTSSpace(PairCellSpace):
    """The space. Supernets know eight operations; architectures never use ``none``, and a node's two predecessors
    differ. Also reads a ``Genotype(normal=[('op', i), ...], ..., reduce=[...], ...)`` as the field's code prints it."""

    name = "darts"
    domain = "images"
    preset_form: ClassVar[str] = "darts"
    shape = _SHAPE
    kinds = _KINDS
    operations = _OPERATIONS
    choices = pair_choices(_KINDS, _SHAPE, _OPERATIONS[1:])
    networks = {
        "evaluation": NetworkConfig(channels=36, depth=20),
        "imagenet": NetworkConfig(channels=48, depth=14),
        "search": NetworkConfig(channels=16, depth=8, affine=False),
        "search-small": NetworkConfig(channels=4, depth=3, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=1, depth=2, stem_channels=1),
        "proxy": NetworkConfig(channels=4, depth=5),
        "ranking": NetworkConfig(channels=4, depth=3),
        "ranking-deep": NetworkConfig(channels=4, depth=8),
        "pruning": NetworkConfig(channels=1, depth=2, stem_channels=1),
        "regions": NetworkConfig(channels=1, depth=2, stem_channels=0),
    }

    def parse(self, text: str) -> Architecture:
        return self.from_edge_operations(
            {kind: self.cell_of(kind, nodes, text) for kind, nodes in self._pairs(text).items()}
        )

    def _pairs(self, text: str) -> dict[str, list[list[tuple[str, str]]]]:
        """Per kind of cell and node the two (operation, source) pairs of either form, in the order of the text."""
        genotype = re.fullmatch(_GENOTYPE, re.sub(r"\s", "", text))
        plain = re.fullmatch(r"normal:(?P<normal>[^;]*);reduce:(?P<reduce>[^;]*)", text.strip())
        found = {}
        for kind in self.kinds:
            nodes = cell_pairs(self.shape, plain[kind]) if plain else None
            if genotype:
                pairs = re.findall(r"['\"](\w+)['\"],([0-9])", genotype[kind])
                nodes = [pairs[at : at + 2] for at in range(0, 8, 2)] if len(pairs) == 8 else None
            if nodes is None:
                raise ArchitectureError(f"'{text}' is no architecture of {self.name}; expected the form {_FORM}.")
            found[kind] = nodes
        return found

    def places(self, network: NetworkConfig) -> Sequence[Place]:
        return thirds(network)


__all__ = ["DARTSSpace"]
