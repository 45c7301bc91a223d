"""What is known of a network: kept units, axes of tensors, numbers that follow from channels."""

import numpy as np
import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.spaces.own.analysis import analyse
from nascence.spaces.own.channels import STAYS
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.last = nn.Linear(6, 5)

    def forward(self, x):
        x = self.two(self.one(x))
        return self.last(x.reshape(x.shape[0], x.shape[1], -1).mean(2))


def found(**left):
    module = Net()
    with torch.no_grad():
        module.one.weight.copy_(torch.tensor([1.0, 4.0, 2.0, 3.0]).view(4, 1, 1, 1).expand(4, 3, 3, 3))
        module.two.weight.fill_(1.0)
    return analyse(trace(module, IMAGES).network, IMAGES, {}, left)


def test_the_heaviest_stay():
    analysis = found()
    group = next(group for group in analysis.channels.groups if group.name == "one")
    kept = analysis.kept({"one": 2})
    assert kept[list(group.units)].tolist() == [False, True, False, True]
    assert kept[STAYS], "what always stays"
    assert analysis.kept({}).all()


def test_tensors_are_cut_along_the_axes_of_their_units():
    analysis = found()
    outer, inner, *places = analysis.tensors["two"]["weight"]
    assert len(outer) == 6
    assert len(inner) == 4
    assert places == [None, None]
    assert np.array_equal(outer, analysis.tensors["two"]["bias"][0])
    outer, inner = analysis.tensors["last"]["weight"]
    assert outer is None, "the outputs"
    assert analysis.reads["two"][0] == 1
    assert "one" not in analysis.reads, "the picture's own channels"


def test_sizes_that_follow_from_channels_are_known():
    analysis = found()
    assert sorted(analysis.numbers.values()) == [6], "the number of images follows from no channel"
    assert list(analysis.sizes) == ["reshape"]


def test_what_is_to_be_left_is_left_and_without_a_choice_it_is_refused():
    analysis = found(one="as asked")
    assert [group.name for group in analysis.channels.groups] == ["two"]
    assert analysis.whole["one"] == "as asked"
    with pytest.raises(SettingError, match=r"Nothing of this network can be made thinner .*one: as asked"):
        found(one="as asked", two="likewise")
