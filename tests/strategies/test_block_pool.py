"""From weights to blocks and from blocks to a pool, on cases made by hand."""

import pytest
import torch

from nascence.spaces import get_space
from nascence.spaces.eg import NONE
from nascence.strategies.block_pool import (
    FoundBlocks,
    block_cost,
    derive_block,
    expected_and_derived,
    learns,
    make_pool,
)

SPACE = get_space("eg")
OPERATIONS = SPACE.operations
EDGES = SPACE.shape.edges


def weights(chosen, others=0.01):
    """[E, O]: ``chosen`` by (source, target) as {operation: weight}, ``others`` everywhere else."""
    found = torch.full((len(EDGES), len(OPERATIONS)), others)
    for edge, row in chosen.items():
        for name, value in row.items():
            found[EDGES.index(edge), OPERATIONS.index(name)] = value
    return found


STRONG = {
    (0, 2): {"sep_conv_3x3": 0.5, NONE: 0.3},
    (1, 2): {"skip_connect": 0.4, NONE: 0.45},
    (1, 3): {"dil_conv_5x5": 0.6, "sep_conv_3x3": 0.3},
    (2, 3): {"max_pool_3x3": 0.5},
    (2, 4): {"sep_conv_5x5": 0.9},
    (3, 4): {"avg_pool_3x3": 0.2, NONE: 0.7},
    (0, 5): {"skip_connect": 0.3},
    (4, 5): {"sep_conv_3x3": 0.31, NONE: 0.99},
}


def test_two_edges_a_node_each_with_its_strongest_operation():
    block = derive_block(SPACE.shape, OPERATIONS, weights(STRONG), sparse=False)
    expected = [
        ("0+1", "sep_conv_3x3", "skip_connect"),
        ("1+2", "dil_conv_5x5", "max_pool_3x3"),
        ("2+3", "sep_conv_5x5", "avg_pool_3x3"),
        ("0+4", "skip_connect", "sep_conv_3x3"),
    ]
    assert block == tuple(answer for node in expected for answer in node)


def test_none_takes_the_weaker_edge_only_and_only_where_it_outweighs():
    block = derive_block(SPACE.shape, OPERATIONS, weights(STRONG), sparse=True)
    assert block[:3] == ("0+1", "sep_conv_3x3", NONE), "0.45 above 0.4"
    assert block[3:6] == ("1+2", "dil_conv_5x5", "max_pool_3x3")
    assert block[6:9] == ("2+3", "sep_conv_5x5", NONE)
    assert block[9:] == ("0+4", "skip_connect", "sep_conv_3x3"), "the stronger edge stays whatever none says"


def test_equal_weights_give_the_first_edges_and_operations():
    block = derive_block(SPACE.shape, OPERATIONS, torch.full((len(EDGES), len(OPERATIONS)), 0.125), sparse=True)
    assert block == ("0+1", "max_pool_3x3", "max_pool_3x3") * 4


def test_a_block_of_one_input_has_one_edge_into_its_first_node():
    space = get_space("eg-one-input")
    rows = torch.rand(len(space.shape.edges), len(space.operations), generator=torch.Generator().manual_seed(0))
    block = derive_block(space.shape, space.operations, rows, sparse=False)
    assert block[0] == "0"
    assert space.architecture((*space.sample(torch.Generator().manual_seed(0)).answers[:6], *block * 5))


def test_the_cost_of_a_block_is_that_of_its_operations():
    costs = torch.arange(len(EDGES) * len(OPERATIONS), dtype=torch.float64).view(len(EDGES), -1)
    block = derive_block(SPACE.shape, OPERATIONS, weights(STRONG), sparse=False)
    picked = [((0, 2), 4), ((1, 2), 3), ((1, 3), 7), ((2, 3), 1), ((2, 4), 5), ((3, 4), 2), ((0, 5), 3), ((4, 5), 4)]
    assert block_cost(SPACE.shape, OPERATIONS, block, costs) == sum(
        float(costs[EDGES.index(edge), at]) for edge, at in picked
    )


def test_expected_and_derived_cost_are_parts_of_the_costliest():
    rows = weights({}, others=1 / 8)
    costs = {"normal": torch.ones(len(EDGES), len(OPERATIONS), dtype=torch.float64)}
    costs["normal"][:, OPERATIONS.index(NONE)] = 0
    expected, derived = expected_and_derived({"normal": rows}, costs, {"normal": 7.0})
    assert expected == pytest.approx(7 / 8)
    assert derived == pytest.approx(7 / 14)


IDLE = ("0+1", "skip_connect", "max_pool_3x3") * 4
BUSY = ("0+1", "skip_connect", "sep_conv_3x3") * 4
OTHER = ("0+1", "dil_conv_3x3", NONE) * 4


def test_blocks_that_only_pool_or_skip_do_not_learn():
    assert not learns(IDLE)
    assert not learns(("0+1", NONE, "avg_pool_3x3") * 4)
    assert learns(BUSY)
    assert learns(OTHER)


def test_the_pool_keeps_different_normal_blocks_that_learn():
    found = [FoundBlocks(normal, BUSY, 10.0, 1.0) for normal in (BUSY, IDLE, OTHER, BUSY)]
    assert make_pool(found, 2).normals == (BUSY, OTHER)
    assert make_pool([FoundBlocks(IDLE, BUSY, 10.0, 1.0)], 2).normals == (IDLE,), "rather than none at all"


def test_reductions_are_kept_by_fronts_of_error_and_cost():
    """b and c are the front, by error; d is dominated by c, a by all."""
    names = {letter: ("0+1", operation, NONE) * 4 for letter, operation in zip("abcd", OPERATIONS[1:5], strict=True)}
    values = {"a": (50.0, 9.0), "b": (20.0, 5.0), "c": (30.0, 2.0), "d": (40.0, 3.0)}
    found = [FoundBlocks(BUSY, names[letter], *values[letter]) for letter in "abcd"]
    assert make_pool(found, 2).reductions == (names["b"], names["c"])
    assert make_pool(found, 3).reductions == (names["b"], names["c"], names["d"])
    assert make_pool(found, 9).reductions == tuple(names[letter] for letter in "bcda")


def test_a_reduction_found_twice_counts_with_its_better_error():
    found = [FoundBlocks(BUSY, IDLE, 50.0, 1.0), FoundBlocks(BUSY, BUSY, 40.0, 1.0), FoundBlocks(BUSY, IDLE, 30.0, 1.0)]
    assert make_pool(found, 1).reductions == (IDLE,)
