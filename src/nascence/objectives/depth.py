"""Deep wirings and few cells (H-DAS, stage level; Liu et al., AAAI 2021, in the form that our dossier recommends).

Plain descent prefers shallow wirings, which train faster; a term rewards the expected depth of every stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule
from nascence.spaces.h_das_stages import CELLS, EDGES, FEWEST, MOST, STAGES, sources


@final
@dataclass(frozen=True)
class StageDepth(Objective):
    """-sum over stages of the expected depth of the stage's output (:func:`stage_depths`)."""

    name: ClassVar[str] = "stage_depth"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        return -stage_depths(evaluated.relaxation.logits()).sum()


@final
@dataclass(frozen=True)
class StageCells(Objective):
    """The expected number of cells: sum over stages of sum_m softmax(beta)_m (m + 4)."""

    name: ClassVar[str] = "stage_cells"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        beta = evaluated.relaxation.logits()["cells"].softmax(-1)
        return (beta * torch.tensor([float(count) for count in CELLS])).sum()


def stage_depths(logits: Mapping[str, Tensor]) -> Tensor:
    """Per stage the expected number of cells between its input and its output: [3], differentiable.

    For the edges s into a node, a_s = log sum exp over operations that are not ``none`` of alpha, p = softmax(a); the
    input's states have depth 0, node i has d = sum_s p_s (d_source + 1); a stage that ends after k cells has the mean
    depth of the last two, and counts with softmax(beta). At one-hot logits it is the depth of the wiring: of every
    node, the mean over its kept edges.
    """
    depths = []
    for at, stage in enumerate(STAGES):
        strength = logits[stage][:, 1:].logsumexp(-1)
        states = [strength.new_zeros(()), strength.new_zeros(())]
        for node in range(MOST):
            rows = [EDGES.index((source, node)) for source in sources(node)]
            p = strength[rows].softmax(0)
            states.append((p * (torch.stack([states[source] for source in sources(node)]) + 1)).sum())
        ends = torch.stack([(states[count] + states[count + 1]) / 2 for count in range(FEWEST, MOST + 1)])
        depths.append((logits["cells"][at].softmax(-1) * ends).sum())
    return torch.stack(depths)


__all__ = ["StageCells", "StageDepth", "stage_depths"]
