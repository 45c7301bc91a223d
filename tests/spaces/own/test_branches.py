"""Residual branches that can be left out."""

import torch
from torch import nn

from nascence.spaces.own.branches import branches
from nascence.spaces.own.following import follow
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Net(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.stem, self.last, self.body = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5), body
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.last(self.body(self, self.stem(x), x).mean(dim=(2, 3)))


def found(body):
    network = trace(Net(body), IMAGES).network
    return branches(network, follow(network, IMAGES).values)


def test_what_is_added_to_its_own_beginning_is_a_branch():
    (branch,) = found(lambda net, x, image: net.two(torch.relu(net.one(x))) + x)
    assert branch.inside >= {"one", "two"}
    assert "stem" not in branch.inside
    assert branch.shortcut == 1


def test_a_branch_of_one_layer_is_called_differently_from_it():
    (branch,) = found(lambda net, x, image: x + net.one(x))
    assert branch.name == "one/branch"


def test_several_of_one_module_are_told_apart():
    names = [branch.name for branch in found(lambda net, x, image: (x + net.one(x)) + net.two(x + net.one(x)))]
    assert len(set(names)) == len(names)


def test_no_branch_where_the_shape_changes_or_nothing_is_learned():
    assert found(lambda net, x, image: x + torch.relu(x)) == ()
    assert found(lambda net, x, image: net.one(x) + net.two(x)) == (), "neither is where the other began"
    assert found(lambda net, x, image: x + net.one(x).mean(dim=(2, 3), keepdim=True)) == ()
    assert found(lambda net, x, image: net.one(x) + image.mean(dim=1, keepdim=True)) == ()


def test_what_others_need_is_not_left_out():
    def body(net, x, image):
        inner = net.one(x)
        return (x + net.two(inner)) * inner

    (branch,) = found(body)
    assert "one" not in branch.inside
    assert "two" in branch.inside


def test_the_innermost_ones_are_found():
    def body(net, x, image):
        inner = net.one(x)
        return x + (inner + net.two(inner))

    (branch,) = found(body)
    assert "two" in branch.inside
    assert "one" not in branch.inside
