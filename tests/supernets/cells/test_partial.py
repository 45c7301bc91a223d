"""Partial channels against the obvious form: every edge by itself, concatenated and shuffled (PC-DARTS)."""

import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.operations import NormConfig, build_operation
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.supernets.cells import CellSupernet, MixedCell
from nascence.supernets.cells.supernet import shuffle_channels

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
SPACES = pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)


def make_cell(space, partial, reduction=False, channels=8):
    def fill(edge):
        return nn.ModuleList(
            build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm) for name in space.operations
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cell = MixedCell(space.shape, space.kinds[0], channels, NormConfig(False), fill, (), reduction, partial)
    return cell.double()


def obvious(cell, space, weights, inputs, reduction):
    """Edge by edge, as the paper has it: mix the first 1/K, pool the rest at stride 2, concatenate, shuffle; sum."""
    states = list(inputs)
    k, c = cell.partial, inputs[0].shape[1] // cell.partial
    for target in range(space.shape.inputs, space.shape.inputs + space.shape.nodes):
        total = 0
        for at in space.shape.edges_into(target):
            source = space.shape.edges[at][0]
            x = states[source]
            mixed, rest = x[:, :c], x[:, c:]
            out = 0
            leaving = [e for e, edge in enumerate(space.shape.edges) if edge[0] == source]
            for o, operation in enumerate(cell.sources[source]):
                result = operation(mixed)
                if result.shape[1] > c:
                    result = result.chunk(len(leaving), 1)[leaving.index(at)]
                out = out + weights[at, o] * result
            if reduction and source < space.shape.inputs:
                rest = nn.functional.max_pool2d(rest, 2, 2)
            joined = torch.cat([out, weights[at].sum() * rest], 1)
            b, n, h, w = joined.shape
            total = total + joined.view(b, k, n // k, h, w).transpose(1, 2).reshape(b, n, h, w)
        states.append(total)
    inner = states[space.shape.inputs :]
    return torch.cat(inner, 1) if space.shape.output == "concat" else inner[-1]


@SPACES
@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("partial", [2, 4])
def test_partial_channels_equal_the_obvious_form(space, reduction, partial):
    reduction = reduction and space is DARTS
    cell = make_cell(space, partial, reduction)
    random = generator(0)
    shape = (len(space.shape.edges), len(space.operations))
    weights = torch.randn(shape, generator=random, dtype=torch.float64).softmax(1).requires_grad_()
    inputs = [torch.randn(2, 8, 8, 8, generator=random, dtype=torch.float64) for _ in range(space.shape.inputs)]
    results = []
    for network in (lambda: cell(*inputs), lambda: obvious(cell, space, weights, inputs, reduction)):
        cell.mixing = weights
        out = network()
        gradients = torch.autograd.grad(out.sin().sum(), [weights, *cell.parameters()])
        results.append((out, gradients))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-11, atol=1e-11)
    for one, two in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)
    assert results[0][1][0].abs().max() > 1e-3


def test_the_shuffle_is_a_permutation():
    x = torch.arange(12.0).view(1, 12, 1, 1)
    shuffled = shuffle_channels(x, 4).flatten().tolist()
    assert sorted(shuffled) == list(range(12))
    assert shuffled[:5] == [0, 3, 6, 9, 1]
    assert torch.equal(shuffle_channels(x, 1), x)


@SPACES
def test_k_of_one_is_the_whole(space):
    config = NetworkConfig(channels=8, depth=2, affine=False)
    one, two = (CellSupernet(space, config, seed=3, **more).double() for more in ({}, {"partial": 1}))
    shape = (len(space.shape.edges), len(space.operations))
    weights = {kind: torch.rand(shape, generator=generator(0), dtype=torch.float64) for kind in space.kinds}
    x = torch.randn(2, 3, 8, 8, generator=generator(1), dtype=torch.float64)
    assert torch.equal(one(x, weights), two(x, weights))


@SPACES
def test_nothing_active_still_passes_the_other_channels(space):
    cell = make_cell(space, 4)
    cell.mixing = torch.zeros(len(space.shape.edges), len(space.operations), dtype=torch.float64)
    x = [torch.ones(2, 8, 5, 5, dtype=torch.float64)] * space.shape.inputs
    assert (cell(*x) == 0).all()


def test_channels_that_cannot_be_divided():
    with pytest.raises(SettingError, match="10 channels cannot send 1/4"):
        CellSupernet(NB201, NetworkConfig(channels=10, depth=1), partial=4)


@SPACES
def test_sparse_runs_nothing_of_weight_zero_and_gives_no_gradient_for_it(space):
    """The rest equals the dense form; the gradients that are left are the same."""
    supernet = CellSupernet(space, NetworkConfig(channels=4, depth=2, affine=False)).double()
    shape = (len(space.shape.edges), len(space.operations))
    values = {kind: torch.rand(shape, generator=generator(0), dtype=torch.float64) for kind in space.kinds}
    values = {kind: (value * (value > 0.4)).requires_grad_() for kind, value in values.items()}
    x = torch.randn(2, 3, 8, 8, generator=generator(1), dtype=torch.float64)
    found = []
    for sparse in (True, False):
        out = supernet(x, values, sparse=sparse)
        found.append((out, torch.autograd.grad(out.square().sum(), list(values.values()))))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-11, atol=1e-12)
    for one, two, value in zip(found[0][1], found[1][1], values.values(), strict=True):
        assert (one[value == 0] == 0).all()
        torch.testing.assert_close(one[value != 0], two[value != 0], rtol=1e-8, atol=1e-11)
        assert (two[value == 0] != 0).any()
