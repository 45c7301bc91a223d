"""Which channels hang together, rule by rule."""

import pytest
import torch
import torch.nn.functional as F
import torch_pruning
from torch import nn

from nascence.spaces.own.channels import STAYS, channels
from nascence.spaces.own.following import follow
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Net(nn.Module):
    """Two convolutions to 8 channels; ``join``: from their outputs [B, 8, 8, 8] to features; a classifier."""

    def __init__(self, join, features=8, more=None):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
        self.more = more or nn.Identity()
        self.last, self.join = nn.Linear(features, 5), join

    def forward(self, x):
        return self.last(self.join(self, self.one(x), self.two(x)))


def pooled(x):
    return x.mean(dim=(2, 3))


def found(module):
    return channels(follow(trace(module, IMAGES).network, IMAGES))


def units(module):
    return {group.layers: len(group.units) for group in found(module).groups}


def test_what_is_added_up_is_one_group_and_what_is_concatenated_two():
    added = units(Net(lambda net, a, b: pooled(a + b)))
    joined = units(Net(lambda net, a, b: pooled(torch.cat([a, b], dim=1)), 16))
    assert added == {("one", "two"): 8}
    assert joined == {("one",): 8, ("two",): 8}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (nn.Conv2d(8, 8, 3, groups=8), 8),  # depthwise
        (nn.Conv2d(8, 12, 3, groups=4), 4),  # a group goes with all it reads and makes
        (nn.GroupNorm(2, 8), 2),
        (nn.BatchNorm2d(8), 8),
        (nn.PReLU(8), 8),
        (nn.InstanceNorm2d(8, affine=True), 8),
        (nn.Softmax(dim=1), None),
        (nn.LocalResponseNorm(2), None),
    ],
)
def test_layers_say_what_goes_together(more, expected):
    features = more.out_channels if isinstance(more, nn.Conv2d) else 8
    sizes = units(Net(lambda net, a, b: pooled(net.more(a)), features, more))
    assert max((count for layers, count in sizes.items() if "one" in layers), default=None) == expected


@pytest.mark.parametrize(
    ("join", "features", "expected"),
    [
        (lambda net, a, b: pooled(F.pixel_shuffle(a, 2)), 2, 2),
        (lambda net, a, b: a.flatten(1), 512, 8),
        (lambda net, a, b: pooled(a.reshape(a.shape[0], 2, 4, 8, 8).sum(2)), 2, 2),
        (lambda net, a, b: pooled(a.chunk(2, dim=1)[0] * a.chunk(2, dim=1)[1].sigmoid()), 4, 4),
        (lambda net, a, b: pooled(a)[:, :4], 4, None),
        (lambda net, a, b: pooled(a * b.mean(dim=(2, 3), keepdim=True)), 8, 8),
        (lambda net, a, b: pooled(F.interpolate(F.max_pool2d(a, 2), scale_factor=2)), 8, 8),
        (lambda net, a, b: pooled(torch.fft.fft(a, dim=1).real), 8, None),
        (lambda net, a, b: pooled(F.pad(a, (0, 0, 0, 0, 2, 2))), 12, 8),
        (lambda net, a, b: (a.flatten(2).transpose(1, 2) @ a.flatten(2)).mean(1), 64, None),
        (lambda net, a, b: a.flatten(2).softmax(dim=-1).mean(2), 8, 8),
        (lambda net, a, b: a.mean(dim=1).flatten(1), 64, None),
    ],
)
def test_functions_say_what_goes_together(join, features, expected):
    sizes = units(Net(join, features))
    assert max((count for layers, count in sizes.items() if "one" in layers), default=None) == expected


def test_attention_goes_by_heads():
    def attend(net, a, b):
        rows = a.flatten(2).transpose(1, 2)
        heads = rows.reshape(rows.shape[0], rows.shape[1], 4, 2).transpose(1, 2)
        weights = (heads @ heads.transpose(-2, -1)).softmax(dim=-1)
        return (weights @ heads).transpose(1, 2).reshape(rows.shape[0], rows.shape[1], 8).mean(1)

    assert units(Net(attend))[("one",)] == 4


def test_a_reason_is_given_for_what_stays():
    known = found(Net(lambda net, a, b: pooled(a)[:, :4], 4))
    assert known.whole["one"] == "positions of it are picked by their number"
    assert known.whole["last"] == "its channels are the network's outputs"
    known = found(Net(lambda net, a, b: pooled(torch.fft.fft(a, dim=1).real)))
    assert "is not known to leave channels apart" in known.whole["one"]


def test_an_axis_names_units():
    labelled = follow(trace(Net(lambda net, a, b: pooled(torch.cat([a, b], 1)), 16), IMAGES).network, IMAGES)
    known = channels(labelled)
    dim, vector = labelled.reads["last"]
    axis = known.axis(vector)
    assert dim == 1
    assert set(axis[:8]) == set(known.groups[0].units)
    assert set(axis[8:]) == set(known.groups[1].units)
    assert (known.axis(labelled.reads["one"][1]) == STAYS).all(), "the pictures' own channels"


def test_what_is_counted_is_the_whole_networks():
    labelled = follow(trace(Net(lambda net, a, b: pooled(a + b)), IMAGES).network, IMAGES)
    assert labelled.flops["one"] == 2 * 8 * 3 * 9 * 64
    assert labelled.flops["last"] == 2 * 8 * 5
    assert labelled.flops["add"] == 0


@pytest.mark.parametrize("kind", ["resnet", "mobile"])
def test_groups_are_those_of_torch_pruning(networks, kind):
    """The same layers together, and as many channels in each, as in another tool's graph of dependencies."""
    module = getattr(networks, kind)().eval()
    names = {layer: name for name, layer in module.named_modules()}
    graph = torch_pruning.DependencyGraph().build_dependency(module, torch.rand(2, 3, 8, 8))
    theirs = set()
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]):
        makers = {
            names[dep.target.module]: len(indices)
            for dep, indices in group
            if isinstance(dep.target.module, nn.Conv2d | nn.Linear) and graph.is_out_channel_pruning_fn(dep.handler)
        }
        theirs.add(frozenset(makers.items()))
    known = networks.kept(kind).analysis.channels
    ours = {frozenset((layer, len(group.units)) for layer in group.layers) for group in known.groups}
    last = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
    assert ours | {frozenset({(last, 5)})} == theirs
    assert len(ours) > 3
