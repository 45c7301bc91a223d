import math
from types import SimpleNamespace

import pytest
import torch

from nascence.objectives.depth import StageCells, StageDepth, stage_depths
from nascence.schedules import Constant
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.h_das_stages import EDGES

SPACE = get_space("h-das-stages")
CHAIN = ";".join(["[S0 S1][S1 S2][S2 S3][S3 S4][S4 S5][S5 S6]"] * 3)


def logits(scale=0.0, seed=0):
    return {
        group.name: scale * torch.randn(group.shape, generator=generator(seed, group.name), dtype=torch.float64)
        for group in SPACE.groups
    }


def sharp(architecture):
    """Logits that are sure of an architecture's edges (each of the two kept ones alike)."""
    return {name: 60.0 * value.double() for name, value in SPACE.one_hot(architecture).items()}


def expected(architecture):
    depths = []
    for cells in SPACE.wiring(architecture):
        states = [0.0, 0.0]
        for pairs in cells:
            states.append(1 + sum(states[at] for _, at in pairs) / 2)
        depths.append((states[-1] + states[-2]) / 2)
    return depths


@pytest.mark.parametrize("seed", range(4))
def test_at_one_hot_logits_it_is_the_depth_of_the_wiring(seed):
    architecture = SPACE.sample(generator(seed))
    assert stage_depths(sharp(architecture)).tolist() == pytest.approx(expected(architecture), abs=1e-6)


@pytest.mark.parametrize(
    ("wiring", "longest", "depth"),
    [
        ("[S0 S1][S0 S1][S1 S3][S2 S3][S3 S4][S4 S5]", 3, 2.5),  # the middle one
        ("[S0 S1][S0 S1][S1 M2][M2 S4][M3 S5][M4 S6]", 5, 2.844),  # what the paper found on CIFAR-10
        ("[M0 M1][S0 S1][S1 S2][M2 S3][S3 M5][A4 S6]", 4, 2.750),
        ("[S0 S1][S1 S2][S2 S3][M2 S3][M3 S5][M4 M5]", 4, 3.062),
        ("[S0 S1][S1 S2][S2 S3][S3 S4][S3 S5][S4 S6]", 6, 3.453),  # the deep one
        ("[S0 S1][S1 S2][S2 S3][S3 S4][S4 S5][S5 S6]", 6, 3.891),  # the chain
    ],
)
def test_depths_of_known_wirings(wiring, longest, depth):
    """Check (a) of the dossier: the longest path, and the mean depth of the two cells that are the output."""
    architecture = SPACE.parse(";".join([wiring] * 3))
    assert SPACE.depths(architecture) == [longest] * 3
    assert stage_depths(sharp(architecture)).tolist() == pytest.approx([depth] * 3, abs=6e-4)
    reward = StageDepth(Constant(1.0)).term(evaluated(sharp(architecture)))
    assert float(reward) == pytest.approx(-3 * depth, abs=2e-3)


def test_uniform_logits_of_six_cells():
    """Check (b): nodes of 1, 1.333, 1.778, 2.370, 2.827 and 3.325, whose mean is 2.106; the last two are the output."""
    six = {**logits(), "cells": torch.tensor([[-60.0, -60.0, 60.0, -60.0, -60.0]] * 3, dtype=torch.float64)}
    assert stage_depths(six).tolist() == pytest.approx([(2.8272 + 3.3251) / 2] * 3, abs=1e-3)


def test_uniform_logits_by_hand():
    """Nodes 0..7 with windows of 2, 3, 3, ... states: d = 1 + the mean of what they see."""
    states = [0.0, 0.0, 1.0]
    for _ in range(7):
        states.append(1 + sum(states[-3:]) / 3)
    ends = [(states[count] + states[count + 1]) / 2 for count in range(4, 9)]
    assert stage_depths(logits()).tolist() == pytest.approx([sum(ends) / 5] * 3)


def test_alone_it_ends_in_a_chain_of_all_cells():
    """Pitfall 4 of the dossier: with log sum exp the pressure does not leak away."""
    leaves = {name: value.requires_grad_() for name, value in logits(1e-3).items()}
    adam = torch.optim.Adam(leaves.values(), 0.05)
    for _ in range(300):
        adam.zero_grad()
        (-stage_depths(leaves).sum()).backward()
        adam.step()
    assert stage_depths(leaves).min() > 7, "the mean depth of the last two cells of eight is 7.5"
    assert (leaves["cells"].argmax(-1) == 4).all()


def test_every_operation_but_none_has_a_gradient():
    leaves = {name: value.requires_grad_() for name, value in logits(1.0).items()}
    stage_depths(leaves).sum().backward()
    inner = [at for at, (_, node) in enumerate(EDGES) if node]
    for stage in ("stage1", "stage2", "stage3"):
        assert (leaves[stage].grad[inner, 1:] != 0).all()
        assert (leaves[stage].grad[:, 0] == 0).all()


def evaluated(values):
    """What an objective looks at, with these logits alone."""
    return SimpleNamespace(relaxation=SimpleNamespace(logits=lambda: values))


@pytest.mark.parametrize("count", [4, 5, 6, 7, 8])
def test_an_end_that_is_sure_costs_its_cells(count):
    """Check (f): beta one-hot at m keeps m + 4 cells."""
    beta = torch.full((3, 5), -60.0)
    beta[:, count - 4] = 60.0
    assert float(StageCells(Constant(1.0)).term(evaluated({"cells": beta}))) == pytest.approx(3 * count)


def test_number_of_cells():
    beta = torch.tensor([[math.log(3.0), 0.0, 0.0, 0.0, 0.0]] * 3, requires_grad=True)
    expected = StageCells(Constant(1.0)).term(evaluated({"cells": beta}))
    assert float(expected.detach()) == pytest.approx(3 * (3 * 4 + 5 + 6 + 7 + 8) / 7, rel=1e-6)
    expected.backward()
    assert (beta.grad[:, 0] < 0).all(), "fewer cells are cheaper"
    assert (beta.grad[:, 4] > 0).all()
