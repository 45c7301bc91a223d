"""Mixed blocks: what a soft mixture computes, and that nothing runs that no exit needs."""

import pytest
import torch
from torch import nn

from nascence.supernets import MaskedWidth, MixedOperation, MixedPart, MixedSupernet
from nascence.supernets.dense import DenseBlock, MixedBlock, MixedMean


class Times(nn.Module):
    """Multiplies, and counts how often it runs."""

    def __init__(self, factor):
        super().__init__()
        self.factor, self.runs = factor, 0

    def forward(self, x_BCHW):
        self.runs += 1
        return self.factor * x_BCHW


def mixed(factors=(2.0, 3.0)):
    layers = [MixedOperation("o", row, [Times(factors[row]), nn.Identity()]) for row in range(2)]
    inputs = {2: MixedMean("i", 0, [(0,), (1,), (0, 1)])}
    block = MixedBlock(layers, inputs, MixedPart("e", 0), MaskedWidth("w", 0, [1, 2]))
    return MixedSupernet([], block)


def weights(operations=((1.0, 0.0), (1.0, 0.0)), inputs=(0.0, 1.0, 0.0), exit=(0.0, 0.0, 1.0), width=(0.0, 1.0)):
    given = {"o": operations, "i": [inputs], "e": [exit], "w": [width]}
    return {name: torch.tensor(value) for name, value in given.items()}


X = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1)


def run(**changes):
    with torch.no_grad():
        return mixed()(X, weights=weights(**changes)).flatten().tolist()


def test_one_architecture():
    assert run() == [7, 70], "x + 3 * 2 x"
    assert run(exit=(0.0, 1.0, 0.0)) == [3, 30]
    assert run(exit=(1.0, 0.0, 0.0)) == [1, 10], "exit 0 leaves the input alone"
    assert run(inputs=(1.0, 0.0, 0.0)) == [4, 40], "x + 3 x"
    assert run(inputs=(0.0, 0.0, 1.0)) == [5.5, 55], "x + 3 (x + 2 x) / 2"
    assert run(width=(1.0, 0.0)) == [7, 10], "the second channel passes by"
    assert run(operations=((0.0, 1.0), (1.0, 0.0))) == [4, 40], "x + 3 * identity"


def test_mixtures_are_means():
    halves = run(exit=(0.5, 0.25, 0.25))
    assert halves == pytest.approx([1 + 0.25 * 2 + 0.25 * 6, 10 * (1 + 0.25 * 2 + 0.25 * 6)])
    assert run(inputs=(0.5, 0.0, 0.5)) == pytest.approx([1 + 3 * (0.5 + 0.5 * 1.5), 10 * (1 + 3 * (0.5 + 0.5 * 1.5))])
    soft = run(width=(0.5, 0.5), exit=(0.0, 1.0, 0.0))
    assert soft == pytest.approx([3, 10 * (1 + 2 * 0.25)]), "masked before and after the operation"


def test_a_layer_that_no_exit_needs_does_not_run():
    supernet = mixed()
    times = [layer.candidates[0] for layer in supernet.network.layers.values()]
    with torch.no_grad():
        supernet(X, weights=weights(exit=(0.0, 1.0, 0.0)))
    assert [each.runs for each in times] == [1, 0]
    with torch.no_grad():
        supernet(X, weights=weights(inputs=(1.0, 0.0, 0.0)))
    assert [each.runs for each in times] == [1, 1], "the second layer reads the block's input"
    asked = {name: value.requires_grad_() for name, value in weights(exit=(0.0, 1.0, 0.0)).items()}
    supernet(X, weights=asked)
    assert [each.runs for each in times] == [2, 2], "where a weight needs a gradient, everything runs"
    supernet(X, weights=asked, sparse=True)
    assert [each.runs for each in times] == [3, 2]


def test_dense_blocks_of_one_architecture():
    block = DenseBlock({1: Times(2.0), 2: Times(3.0)}, {1: (0,), 2: (0, 1)}, 2, 1)
    assert block(X).flatten().tolist() == [1 + 3 * 1.5, 10]
    assert DenseBlock({}, {}, 0, 2)(X) is X
