"""Which nodes train, which validate, which judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.graphs.graph import UNKNOWN, Graph

SHARES = (0.6, 0.2, 0.2)
"""Of every class: training, validation, test (Zhao, Yao & Tu, ICDE 2021)."""


@final
@dataclass(frozen=True, eq=False)
class NodeSplit:
    """Booleans [N] each; ``name``: where they come from, such as ``given 3`` or ``random, seed 0``."""

    train: Tensor
    validation: Tensor
    test: Tensor
    name: str


def random_split(graph: Graph, seed: int, shares: tuple[float, float, float] = SHARES) -> NodeSplit:
    """Stratified: of every class these shares, rounded so that the whole class is used; drawn from ``seed``."""
    masks = [torch.zeros(graph.nodes, dtype=torch.bool) for _ in range(3)]
    draws = generator(seed, "node split")
    for label in range(len(graph.class_names)):
        nodes = (graph.labels == label).nonzero()[:, 0]
        nodes = nodes[torch.randperm(len(nodes), generator=draws)]
        first = round(shares[0] * len(nodes))
        second = first + round(shares[1] * len(nodes))
        for mask, chosen in zip(masks, (nodes[:first], nodes[first:second], nodes[second:]), strict=True):
            mask[chosen] = True
    name = f"random {'/'.join(f'{100 * share:.0f}' for share in shares)}, seed {seed}"
    return NodeSplit(masks[0], masks[1], masks[2], name)


def given_split(train: Tensor, validation: Tensor, test: Tensor, number: int, name: str = "given") -> NodeSplit:
    """Split ``number`` of masks [S, N] or [N]. Raises :class:`DataError` where there is no such split."""
    masks = [mask.bool() if mask.dim() == 2 else mask.bool()[None] for mask in (train, validation, test)]
    counts = {len(mask) for mask in masks}
    if len(counts) != 1:
        raise DataError(f"There are {', '.join(map(str, map(len, masks)))} masks for the three parts; make them equal.")
    if not 0 <= number < len(masks[0]):
        raise DataError(f"There is no split {number}; the data have splits 0 to {len(masks[0]) - 1}.")
    rows = [mask[number] for mask in masks]
    return NodeSplit(rows[0], rows[1], rows[2], f"{name} {number}" if len(masks[0]) > 1 else name)


def check_split(name: str, graph: Graph, split: NodeSplit, *, untrained: bool = False) -> None:
    """Raises :class:`DataError` where a part is empty, has nodes of another part or without a class, or where a class
    has no training node (unless ``untrained``)."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for part, mask in parts.items():
        if len(mask) != graph.nodes:
            raise DataError(f"The {part} mask of '{name}' is about {len(mask)} nodes, but there are {graph.nodes}.")
        if not bool(mask.any()):
            raise DataError(f"The {part} mask of '{name}' is empty; every part needs a node or more.")
        unknown = (mask & (graph.labels == UNKNOWN)).nonzero()[:, 0]
        if len(unknown):
            raise DataError(f"The {part} mask of '{name}' has node {int(unknown[0])}, whose class is unknown.")
    for one, two in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = (parts[one] & parts[two]).nonzero()[:, 0]
        if len(both):
            raise DataError(
                f"The {one} and {two} masks of '{name}' overlap in {len(both)} nodes, node {int(both[0])} first; "
                "a node may belong to one part only."
            )
    counts = torch.bincount(graph.labels[split.train], minlength=len(graph.class_names))
    for label, count in enumerate(counts.tolist()):
        if not count and not untrained:
            raise DataError(
                f"Class '{graph.class_names[label]}' of '{name}' has no training node in split '{split.name}'; choose "
                "another split, or accept that its nodes are told wrong with --task-set untrained_classes=true."
            )


__all__ = ["SHARES", "NodeSplit", "check_split", "given_split", "random_split"]
