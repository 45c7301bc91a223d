"""The pass by shapes."""

import pytest
import torch
from torch import fx, nn

from nascence.errors import SettingError
from nascence.spaces.own.following import follow
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        y = self.conv(x)
        return self.last(y.reshape(x.shape[0], y.size(1), -1).mean(2))


def test_every_node_has_its_shape_its_numbers_and_its_flops():
    network = fx.symbolic_trace(Net())
    found = follow(network, IMAGES)
    assert found.values["conv"].shape[1:] == (4, 6, 6)
    assert found.values["conv"].device.type == "meta"
    assert found.values["size"] == 4
    assert found.flops["conv"] == 2 * 4 * 3 * 9 * 36
    assert found.flops["mean"] == 0
    assert list(found.producers) == ["conv", "last"]
    dim, vector = found.reads["last"]
    assert dim == 1
    assert torch.equal(vector, found.producers["conv"])
    assert torch.equal(found.asked["size"][0, :, 0, 0], found.producers["conv"])
    assert [reason for _, reason in found.pins] == ["its channels are the network's outputs"]
    assert next(network.parameters()).device.type == "cpu", "the network itself stays where it is"


def test_what_needs_values_is_refused_in_a_sentence():
    class Valued(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(192, 5)

        def forward(self, x):
            return self.last(x.flatten(1)) * x.sum().item()

    with pytest.raises(SettingError, match="cannot be followed by shapes alone at 'item'") as caught:
        follow(fx.symbolic_trace(Valued()), IMAGES)
    assert "\n" not in str(caught.value)
