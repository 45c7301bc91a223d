"""Cells: the graph, sums and concatenation, reductions, drop path."""

import pytest
import torch
from torch import nn

from nascence.operations import FactorizedReduce, NormConfig, Zero
from nascence.seeding import generator
from nascence.spaces.cells import Cell, CellShape, Edge
from nascence.testing import toy_space

LAST = CellShape(inputs=1, nodes=3, output="last")
CONCAT = CellShape(inputs=2, nodes=2, output="concat")


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class Keep(nn.Module):
    """Not an identity to drop path, but computes one."""

    def forward(self, x):
        return x.clone()


def image(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_edges_go_by_target_then_source():
    assert LAST.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert CONCAT.edges == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert LAST.edges_into(3) == [3, 4, 5]
    assert CONCAT.edges_into(2) == [0, 1]
    assert LAST.edges_into(0) == []


def test_node_is_the_sum_of_its_edges_and_the_last_node_is_the_output():
    factors = [2.0, 3.0, 5.0, 7.0, 11.0, 13.0]
    cell = Cell(LAST, "cell", 4, NormConfig(), lambda edge: Times(factors[edge.at]))
    x = image(2, 4, 3, 3)
    node1 = 2 * x
    node2 = 3 * x + 5 * node1
    torch.testing.assert_close(cell(x), 7 * x + 11 * node1 + 13 * node2)


def test_concatenates_inner_nodes_in_order():
    factors = [2.0, 3.0, 5.0, 7.0, 11.0]
    cell = Cell(CONCAT, "normal", 4, NormConfig(), lambda edge: Times(factors[edge.at]))
    a, b = image(2, 4, 3, 3), image(2, 4, 3, 3, seed=1)
    node2 = 2 * a + 3 * b
    torch.testing.assert_close(cell(a, b), torch.cat([node2, 5 * a + 7 * b + 11 * node2], dim=1))


def test_edges_without_operation_are_absent():
    cell = Cell(LAST, "cell", 4, NormConfig(), lambda edge: Times(2.0) if edge.at in (0, 2, 5) else None)
    assert cell.edges == [(0, 1), (1, 2), (2, 3)]
    assert len(cell.operations) == 3
    x = image(1, 4, 2, 2)
    torch.testing.assert_close(cell(x), 8 * x)


def test_fill_is_told_kind_place_width_and_stride():
    told = []

    def fill(edge):
        told.append(edge)
        return nn.Identity()

    norm = NormConfig(affine=False)
    Cell(CONCAT, "reduce", 6, norm, fill, reduction=True)
    assert told == [Edge("reduce", at, 6, stride, norm) for at, stride in enumerate([2, 2, 2, 2, 1])], (
        "edges from the cell's inputs halve the resolution, edges between inner nodes do not"
    )


def test_preprocessing_stands_before_everything():
    preprocess = [Times(10.0), FactorizedReduce(3, 4, NormConfig()).double()]
    cell = Cell(CONCAT, "normal", 4, NormConfig(), lambda edge: nn.Identity(), preprocess=preprocess)
    assert cell(image(2, 4, 4, 4), image(2, 3, 8, 8)).shape == (2, 8, 4, 4)


def drop_path_cell(operation, probability):
    """A cell of one operation alone."""
    cell = Cell(CellShape(1, 1, "last"), "cell", 4, NormConfig(), lambda edge: operation)
    cell.drop_path = probability
    return cell


def test_drop_path_drops_whole_samples_and_keeps_the_expectation():
    cell = drop_path_cell(Keep(), 0.25)
    x = torch.ones(4000, 4, 2, 2, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        out = cell(x)
    values = out.flatten(1)
    assert (values == values[:, :1]).all(), "one fate per sample"
    assert set(values[:, 0].tolist()) == {0.0, 1 / 0.75}
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert out.dtype == torch.float64


def test_drop_path_acts_only_in_training():
    x = image(50, 4, 2, 2)
    cell = drop_path_cell(Keep(), 0.9)
    assert torch.equal(cell.eval()(x), x)
    assert not torch.equal(cell.train()(x), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_drop_path_keeps_the_type(dtype):
    assert drop_path_cell(Keep(), 0.5)(torch.ones(2, 4, 2, 2, dtype=dtype)).dtype == dtype


def test_drop_path_never_drops_identities():
    x = image(200, 4, 2, 2)
    assert torch.equal(drop_path_cell(nn.Identity(), 0.9).train()(x), x)


def test_drop_path_zero_draws_nothing():
    before = torch.get_rng_state()
    drop_path_cell(Keep(), 0.0).train()(image(2, 4, 2, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_drop_path_acts_per_edge():
    cell = Cell(CellShape(2, 1, "last"), "cell", 4, NormConfig(), lambda edge: Keep())
    cell.drop_path = 0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        out = cell(torch.ones(500, 4, 1, 1), torch.full((500, 4, 1, 1), 10.0))
    assert set(out.unique().tolist()) == {0.0, 2.0, 20.0, 22.0}


def test_assembled_networks_hold_the_chosen_operations():
    space = toy_space()
    network = space.build(space.parse("nor_conv_3x3,none,skip_connect"))
    cells = [module for module in network.modules() if isinstance(module, Cell)]
    assert len(cells) == space.networks["evaluation"].depth
    for cell in cells:
        conv, zero, skip = cell.operations
        assert conv[1].kernel_size == (3, 3)
        assert isinstance(zero, Zero)
        assert isinstance(skip, nn.Identity)


def test_one_hot_is_the_table_of_answers():
    space = toy_space()
    weights = space.one_hot(space.parse("nor_conv_3x3,none,skip_connect"))["cell"]
    assert weights.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
