"""The expected cost of mixing weights, by hand and against enumeration."""

import itertools

import pytest
import torch

from nascence.costs import CostModel
from nascence.objectives.complexity import Complexity, complexity
from nascence.schedules import Constant
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.testing import toy_space

COSTS = {"cell": torch.tensor([[0.0, 1.0, 3.0], [0.0, 2.0, 1.0]], dtype=torch.float64)}


def test_it_is_zero_for_free_operations_and_one_for_the_costliest():
    assert float(complexity({"cell": torch.tensor([[1.0, 0, 0], [1, 0, 0]])}, COSTS)) == 0
    assert float(complexity({"cell": torch.tensor([[0.0, 0, 1], [0, 1, 0]])}, COSTS)) == 1
    half = complexity({"cell": torch.tensor([[0.5, 0.5, 0], [0, 0, 1]])}, COSTS)
    assert float(half) == pytest.approx((0.5 + 1) / 5)


def test_it_is_the_mean_over_architectures_drawn_edge_by_edge():
    space = toy_space()
    model = CostModel(space, NetworkConfig(channels=4))
    table = model.table("params")
    p = torch.rand(3, 4, generator=generator(0), dtype=torch.float64).softmax(-1)
    most = float(table["cell"].max(-1).values.sum())
    mean = 0.0
    for answers in itertools.product(range(4), repeat=3):
        chance = float(torch.stack([p[edge, at] for edge, at in enumerate(answers)]).prod())
        architecture = space.architecture([space.operations[at] for at in answers])
        mean += chance * (model.params(architecture) - model.constant("params")) / most
    assert float(complexity({"cell": p}, table)) == pytest.approx(mean)


def test_its_gradient_is_the_cost_of_each_operation():
    weights = torch.full((2, 3), 1 / 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(complexity({"cell": weights}, COSTS), weights)
    assert torch.allclose(gradient, (COSTS["cell"] / 5).float())


def test_as_an_objective_it_looks_at_the_mixing_weights():
    batch = type("Batch", (), {"weights": {"cell": torch.tensor([[0.0, 0, 1], [0, 1, 0]])}})
    objective = Complexity(COSTS, Constant(0.3))
    assert float(objective.term(batch)) == 1
    assert "0.3" in str(objective), "what a checkpoint is compared by says the weight"


def test_costs_of_blocks_are_zero_for_what_has_no_weights():
    stack = get_space("eg").block_search()
    table = CostModel(stack, NetworkConfig(channels=4, depth=4, affine=False)).table("params")
    free = [stack.operations.index(name) for name in ("none", "max_pool_3x3", "avg_pool_3x3")]
    for costs in table.values():
        assert costs.shape == (14, 8)
        assert not costs[:, free].any()
        assert (
            costs[:, stack.operations.index("sep_conv_5x5")] > costs[:, stack.operations.index("dil_conv_3x3")]
        ).all()
