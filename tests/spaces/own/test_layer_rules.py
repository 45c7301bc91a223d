"""What single layers do to numbers of channels."""

import pytest
import torch
from torch import fx, nn

from nascence.spaces.own.function_rules import FunctionRules
from nascence.spaces.own.labels import NONE, PINNED, Labelled
from nascence.spaces.own.layer_rules import LayerRules


def called(layer, numbers):
    """The numbers behind ``layer`` of those in front of it, and all that was found."""
    graph = fx.Graph()
    node = graph.call_module("layer", (graph.placeholder("x"),))
    graph.output(node)
    network = fx.GraphModule({"layer": layer}, graph)
    found = Labelled(count=100)
    with torch.no_grad():
        output = layer(torch.rand(numbers.shape))
    return LayerRules(network, FunctionRules(found)).call(node, (numbers,), output), found


def pictures(*numbers):
    return torch.tensor(numbers).view(1, -1, 1, 1).expand(2, len(numbers), 6, 6)


def tied(found):
    return {tuple(sorted(pair)) for each in found.edges for pair in each.T.tolist()}


def test_a_convolution_reads_channels_and_makes_new_ones():
    made, found = called(nn.Conv2d(3, 4, 3), pictures(10, 11, 12))
    assert made.shape == (2, 4, 4, 4)
    assert made[0, :, 0, 0].tolist() == found.producers["layer"].tolist() == [100, 101, 102, 103]
    outer, inner, *rest = found.layers["layer"]["weight"]
    assert (outer.tolist(), inner.tolist(), rest) == ([100, 101, 102, 103], [10, 11, 12], [None, None])
    assert found.edges == []


def test_a_transposed_one_has_its_inputs_first():
    _, found = called(nn.ConvTranspose2d(2, 3, 2, bias=False), pictures(10, 11))
    first, second, *_ = found.layers["layer"]["weight"]
    assert (first.tolist(), second.tolist()) == ([10, 11], [100, 101, 102])
    assert "bias" not in found.layers["layer"]


def test_a_depthwise_one_ties_each_channel_to_its_own():
    _, found = called(nn.Conv2d(2, 2, 3, groups=2), pictures(10, 11))
    assert tied(found) == {(10, 100), (11, 101)}
    assert "layer" not in found.reads


def test_a_group_of_the_input_stays():
    _, found = called(nn.Conv2d(2, 2, 3, groups=2), pictures(NONE, 11))
    assert (PINNED, 100) in tied(found)
    assert (PINNED, 101) not in tied(found)


def test_a_linear_layer_behind_flattened_pictures_reads_each_channel_as_often_as_it_is_there():
    numbers = pictures(10, 11).flatten(1)
    _, found = called(nn.Linear(72, 3), numbers)
    dim, vector = found.reads["layer"]
    assert (dim, vector.tolist()) == (1, [10] * 36 + [11] * 36)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(nn.BatchNorm2d(4), set()), (nn.GroupNorm(2, 4), {(10, 11), (12, 13)}), (nn.PReLU(4), set())],
)
def test_normalisations_and_activations_keep_channels(layer, expected):
    numbers = pictures(10, 11, 12, 13)
    made, found = called(layer.eval(), numbers)
    assert torch.equal(made, numbers)
    assert tied(found) == expected
    assert found.layers["layer"]["weight"][0].tolist() == [10, 11, 12, 13]


def test_pooling_keeps_channels_and_shuffling_moves_them():
    made, _ = called(nn.MaxPool2d(2), pictures(10, 11))
    assert torch.equal(made, pictures(10, 11)[..., :3, :3])
    made, found = called(nn.PixelShuffle(2), pictures(10, 11, 12, 13))
    assert made[0, 0, :2, :2].tolist() == [[10, 11], [12, 13]]
    assert "call" not in found.shapes


def test_what_is_not_known_pins_what_it_reads():
    made, found = called(nn.LocalResponseNorm(2), pictures(10, 11))
    assert not made.any()
    ((numbers, reason),) = found.pins
    assert numbers.tolist() == [10, 11]
    assert reason == "LocalResponseNorm (layer) reads it, which is left whole"
