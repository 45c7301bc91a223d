"""From modules to graphs of layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nascence.errors import SettingError
from nascence.spaces.own.loose import LooseConstant, LooseParameter
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Plain(nn.Module):
    """A parameter and a constant of its own, a dropout as a function, a layer in place, a layer that does nothing."""

    def __init__(self):
        super().__init__()
        self.layer, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.shift = nn.Parameter(torch.full((1, 4, 1, 1), 0.5))
        self.register_buffer("scale", torch.full((1, 4, 1, 1), 2.0))
        self.act, self.nothing = nn.ReLU(inplace=True), nn.Identity()

    def forward(self, x):
        x = self.act(self.layer(x) * self.scale + self.shift)
        x = F.dropout(self.nothing(x), 0.3, training=self.training)
        return self.last(x.mean(dim=(2, 3)))


def layers_of(network):
    return {
        str(node.target): network.get_submodule(str(node.target))
        for node in network.graph.nodes
        if node.op == "call_module"
    }


def test_every_parameter_is_in_a_layer_that_is_called():
    module = Plain()
    traced = trace(module, IMAGES)
    layers = layers_of(traced.network)
    assert isinstance(layers["shift"], LooseParameter)
    assert isinstance(layers["scale"], LooseConstant)
    assert torch.equal(layers["shift"].value, module.shift)
    assert not any(node.op == "get_attr" for node in traced.network.graph.nodes)
    assert "nothing" not in layers
    assert layers["act"].inplace is False
    assert module.act.inplace is True, "the user's own module stays as it is"
    images = torch.rand(2, 3, 8, 8)
    assert torch.allclose(traced.network(images), module.eval()(images))


def test_dropout_goes_on_being_one():
    traced = trace(Plain(), IMAGES)
    (dropout,) = [layer for layer in layers_of(traced.network).values() if isinstance(layer, nn.Dropout)]
    assert dropout.p == 0.3
    images = torch.rand(2, 3, 8, 8)
    traced.network.train()
    assert not torch.equal(traced.network(images), traced.network(images))


class Branching(nn.Module):
    def forward(self, x):
        return x if x.shape[-1] > 2 else -x


def test_what_cannot_be_traced_stays_one_box():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(Branching(), nn.ReLU()), nn.Flatten(), nn.Linear(144, 5))
    traced = trace(module, IMAGES)
    assert list(traced.whole) == ["1.0"]
    assert traced.whole["1.0"].startswith("cannot be traced (")
    assert type(layers_of(traced.network)["1.0"]) is Branching


class TwoInputs(nn.Linear):
    def forward(self, x, y=None):
        return super().forward(x.flatten(1)) if y is None else y


class Inconsistent(nn.Module):
    """Computes something else whenever it is called: no graph is like it."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(192, 5), 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x.flatten(1)) * self.calls


class Tuple(nn.Linear):
    def forward(self, x):
        return (super().forward(x.flatten(1)),)


class Endless(nn.Linear):
    def forward(self, x):
        return super().forward(x.flatten(1)) / 0


class Leaving(nn.Linear):
    def forward(self, x):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (Leaving(192, 5), "cannot be called with images [3, 8, 8] of this task (SystemExit: 3)"),
        (nn.ReLU(), "no convolution and no linear layer"),
        (nn.Sequential(nn.Flatten(), nn.Linear(10, 5)), "cannot be called with images [3, 8, 8]"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(192, 4)),
            "gives a tensor [3, 4] for 3 images, where this task expects [3, 5]",
        ),
        (Tuple(192, 5), "gives tuple for 3 images"),
        (Endless(192, 5), "no finite numbers"),
        (Inconsistent(), "computes something else"),
    ],
)
def test_what_will_not_do_is_refused(module, told):
    with pytest.raises(SettingError) as caught:
        trace(nn.Sequential(module) if isinstance(module, nn.Sequential) else module, IMAGES)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_inputs_that_are_not_needed_are_left_out():
    class Optional(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(192, 5)

        def forward(self, x, unused=None):
            return self.layer(x.flatten(1))

    assert sum(node.op == "placeholder" for node in trace(Optional(), IMAGES).network.graph.nodes) == 1
