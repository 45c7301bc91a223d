"""The tree of paths: its counts and numbers, and which of its modules run."""

import pytest
import torch
from torch import nn

from nascence.supernets import MixedSupernet
from nascence.supernets.paths import CELL, UP, MixedTree, SlimCell, Tree, Up


@pytest.mark.parametrize(
    ("cells", "ups", "fixed", "maps", "modules", "leaves"), [(5, 2, 1, 55, 35, 15), (5, 2, 2, 34, 21, None)]
)
def test_counts(cells, ups, fixed, maps, modules, leaves):
    tree = Tree.grow(cells, ups, fixed)
    assert len(tree.maps) == len(set(tree.maps)) == maps
    assert len(tree.cell) == modules
    assert leaves in (None, len(tree.leaves))


def test_numbers_are_those_of_the_code():
    tree = Tree.grow(5, 2, 1)
    assert tree.cells_of((0, 0, 0, 0, 0, 1)) == [0, 1, 16, 26, 32]
    assert sorted(tree.cell.values()) == list(range(35))


class Add(nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, x_BCHW):
        return x_BCHW + self.amount


def mixed():
    tree = Tree.grow(3, 1, 1)
    cells = [Add(10.0**number) for number in range(len(tree.cell))]
    return tree, MixedSupernet([], MixedTree(tree, cells, [Add(0.5)] * len(tree.up)))


def test_a_mixture_of_maps_and_what_runs():
    tree, supernet = mixed()
    x = torch.zeros(1, 1, 1, 1)
    weights = torch.zeros(1, len(tree.maps))
    path = (CELL, CELL, UP)
    weights[0, tree.maps.index(path)] = 1.0
    with torch.no_grad():
        out = supernet(x, weights={"paths": weights})
    assert float(out) == sum(10.0**cell for cell in tree.cells_of(path)) + 0.5
    assert supernet.network.ran == 3, "nothing but the path"
    weights[0] = 0.0
    weights[0, tree.maps.index((CELL,))] = 0.25
    weights[0, tree.maps.index((CELL, CELL))] = 0.75
    with torch.no_grad():
        out = supernet(x, weights={"paths": weights})
    second = 10.0 ** tree.cell[CELL, CELL]
    assert float(out) == pytest.approx(0.25 * 1 + 0.75 * (1 + second))
    assert supernet.network.ran == 2
    supernet(x, weights={"paths": weights.requires_grad_()})
    assert supernet.network.ran == len(tree.cell) + len(tree.up), "where gradients are asked for, everything runs"
    supernet(x, weights={"paths": weights}, sparse=True)
    assert supernet.network.ran == 2


def test_ups():
    x = torch.rand(1, 4, 3, 5)
    assert Up(4, enlarged=False)(x).shape == (1, 4, 3, 5)
    assert Up(4, enlarged=True)(x).shape == (1, 4, 6, 10)


def test_a_cell_adds_a_fifth():
    cell = SlimCell(["conv3x3", "skip"], [4, 2, 4])
    x = torch.rand(1, 4, 5, 5)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(cell(x), x)
    nn.init.constant_(cell.slots[1].first.weight, 0.5)
    nn.init.constant_(cell.slots[0].first.weight, 1.0)
    inner = torch.nn.functional.conv2d(x.sum(1, keepdim=True), torch.ones(1, 1, 3, 3), padding=1)
    torch.testing.assert_close(cell(x).detach(), x + 0.2 * inner.expand(-1, 4, -1, -1))
