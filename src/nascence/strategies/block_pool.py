"""From finished relaxations of blocks to a pool of blocks to build networks from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from nascence.costs import params
from nascence.operations import NormConfig, build_operation
from nascence.spaces import CellShape
from nascence.spaces.eg import NONE
from nascence.spaces.pairs import inner_nodes
from nascence.spaces.pooled import Block, BlockPool, pool_of
from nascence.strategies.pareto import non_dominated


@dataclass(frozen=True)
class FoundBlocks:
    """What one search of blocks ended in: a normal and a reduction block, the ``error`` in percent of the search's own
    network with these blocks alone, and what the reduction costs."""

    normal: Block
    reduction: Block
    error: float
    reduction_cost: float


def derive_block(shape: CellShape, operations: Sequence[str], weights_EO: Tensor, *, sparse: bool) -> Block:
    """The two strongest edges of every node, each with its strongest operation other than ``none``.

    ``sparse``: the weaker one of the two carries ``none`` where that outweighs its operation.
    """
    nothing = operations.index(NONE) if NONE in operations else None
    rows = weights_EO.double().clone()
    absent = torch.zeros(len(rows), dtype=torch.float64) if nothing is None else rows[:, nothing].clone()
    if nothing is not None:
        rows[:, nothing] = -1.0
    strength, best = rows.max(-1)
    answers: list[str] = []
    for target in inner_nodes(shape):
        edges = sorted(shape.edges_into(target), key=lambda at: (-float(strength[at]), at))[:2]
        chosen = {at: operations[int(best[at])] for at in edges}
        weaker = edges[-1]
        if sparse and len(edges) == 2 and float(strength[weaker]) < float(absent[weaker]):
            chosen[weaker] = NONE
        kept = sorted(chosen)
        answers += ["+".join(str(shape.edges[at][0]) for at in kept), *(chosen[at] for at in kept)]
    return tuple(answers)


def block_cost(shape: CellShape, operations: Sequence[str], block: Block, costs_EO: Tensor) -> float:
    """The sum of the costs [E, O] of a block's operations."""
    answers = iter(block)
    total = 0.0
    for target in inner_nodes(shape):
        for source in next(answers).split("+"):
            at = shape.edges.index((int(source), target))
            total += float(costs_EO[at, operations.index(next(answers))])
    return total


def learns(block: Block) -> bool:
    """Whether any operation of a block has weights."""
    return any(_has_weights(answer) for answer in block if not answer[0].isdigit())


@cache
def _has_weights(operation: str) -> bool:
    with torch.device("meta"):
        return params(build_operation(operation, 2, 2, 1, NormConfig())) > 0


def make_pool(found: Sequence[FoundBlocks], reductions: int) -> BlockPool:
    """All different normal blocks that learn (all, if none does), and the ``reductions`` best reduction blocks: by
    fronts of (error, cost), within a front by the error."""
    normals = [each.normal for each in found if learns(each.normal)] or [each.normal for each in found]
    best: dict[Block, FoundBlocks] = {}
    for each in sorted(found, key=lambda each: each.error):
        best.setdefault(each.reduction, each)
    left, order = list(best.values()), []
    while left:
        values = np.array([[each.error, each.reduction_cost] for each in left])
        front = sorted((left[at] for at in non_dominated(values)), key=lambda each: each.error)
        order += front
        left = [each for each in left if each not in front]
    return pool_of(normals, [each.reduction for each in order[:reductions]])


def expected_and_derived(
    weights: Mapping[str, Tensor], costs: Mapping[str, Tensor], derived: Mapping[str, float]
) -> tuple[float, float]:
    """The cost of mixing weights [E, O] and that of the blocks derived from them, both as parts of the costliest
    blocks with every edge: while the weights are flat the two are far apart."""
    most = sum(float(costs[kind].max(-1).values.sum()) for kind in weights)
    expected = sum(float((weights[kind].double() * costs[kind]).sum()) for kind in weights)
    return expected / most, sum(derived.values()) / most


__all__ = ["FoundBlocks", "block_cost", "derive_block", "expected_and_derived", "learns", "make_pool"]
