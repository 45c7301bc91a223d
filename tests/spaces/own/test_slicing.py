"""What is cut out of tensors and graphs."""

import torch
from torch import nn

from nascence.spaces.own.analysis import analyse
from nascence.spaces.own.slicing import positions, sliced
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 8, 8), 5)


class Residual(nn.Module):
    """``view``: sizes that are named, and a scale that follows from the number of channels."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 1))
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.stem(x))
        x = x + self.body(x)
        batch, channels, height, width = x.shape
        rows = x.view(batch, channels, height * width).transpose(1, 2) * channels**-0.5
        return self.last(rows.mean(dim=1))


def analysed():
    torch.manual_seed(0)
    return analyse(trace(Residual(), IMAGES).network, IMAGES, {})


def test_the_kept_rows_are_the_heaviest_units():
    known = analysed()
    kept = known.kept({"stem": 3})
    network = sliced(known, kept)
    axis = known.tensors["stem"]["weight"][0]
    chosen = positions(axis, kept)
    assert len(chosen) == 3
    assert sorted(known.rank[axis[chosen]]) == [0, 1, 2]
    assert torch.equal(network.get_submodule("stem").weight, known.network.get_submodule("stem").weight[chosen])
    assert torch.equal(network.get_submodule("last").weight, known.network.get_submodule("last").weight[:, chosen])
    assert network.get_submodule("body.0").weight.shape == (6, 3, 3, 3)
    assert network.get_submodule("norm").num_features == 3


def test_numbers_of_channels_stay_those_of_the_whole_network():
    """The scale is 8^-0.5 as in the whole network, not that of the three channels that are left."""
    known = analysed()
    network = sliced(known, known.kept({"stem": 3}))
    images = torch.rand(2, 3, 8, 8)
    x = network.get_submodule("norm")(network.get_submodule("stem")(images))
    body = x
    for name in ("body.0", "body.1", "body.2"):
        body = network.get_submodule(name)(body)
    expected = network.get_submodule("last")((x + body).mean(dim=(2, 3)) * 8**-0.5)
    assert torch.allclose(network(images), expected, atol=1e-6)


def test_a_branch_that_is_left_out_takes_its_layers_along():
    known = analysed()
    (branch,) = known.branches
    network = sliced(known, known.kept({}), [branch.name])
    assert not any(name.startswith("body") for name, _ in network.named_parameters())
    assert sum(1 for _ in network.named_modules()) < sum(1 for _ in known.network.named_modules())


def test_the_whole_network_is_left_as_it_is():
    known = analysed()
    before = {name: value.clone() for name, value in known.network.state_dict().items()}
    network = sliced(known, known.kept({"stem": 2, "body.0": 1}))
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
    whole = sliced(known, known.kept({}))
    with torch.no_grad():
        for value in whole.parameters():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in known.network.state_dict().items())


def test_shapes_alone_are_cut_on_the_meta_device():
    known = analysed()
    with torch.device("meta"):
        network = sliced(known, known.kept({"stem": 2}))
    assert all(value.is_meta for value in network.parameters())
    assert network.get_submodule("stem").weight.shape == (2, 3, 3, 3)
