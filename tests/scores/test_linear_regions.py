import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nascence.errors import SettingError
from nascence.scores import Probe
from nascence.scores.batch_norm import replace_batch_norm
from nascence.scores.linear_regions import LinearRegions, activation_patterns, count_distinct, count_regions
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing import reference
from nascence.testing.reference import ObviousSupernet
from nascence.testing.toy import toy_space

SPACES = ["nas-bench-201", "darts"]


def random_mixing(space, groups, active, seed=0):
    shape = (groups, len(space.shape.edges), len(space.operations))
    random = generator(seed, "mixing")
    return {
        kind: torch.rand(shape, generator=random, dtype=torch.float64) * (torch.rand(shape, generator=random) < active)
        for kind in space.kinds
    }


def relu_layer(weight, bias):
    """x [B, n, 1, 1] -> relu(W x + b), as an image."""
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1).double()
    with torch.no_grad():
        layer.weight.copy_(weight[..., None, None])
        layer.bias.copy_(bias)
    return nn.Sequential(layer, nn.ReLU())


@pytest.mark.parametrize("h", [1, 3, 10])
def test_h_relus_on_a_line_make_h_plus_one_regions(h):
    breakpoints = torch.linspace(-0.9, 0.9, h, dtype=torch.float64)
    network = relu_layer(torch.ones(h, 1, dtype=torch.float64), -breakpoints)
    grid = torch.linspace(-1, 1, 1001, dtype=torch.float64)[:, None, None, None]
    assert count_regions(network, network, grid, batches=1) == [h + 1]
    assert reference.count_regions(network, [grid]) == h + 1


@pytest.mark.parametrize("h", [1, 2, 3, 5])
def test_h_lines_in_the_plane(h):
    random = generator(h)
    network = relu_layer(
        torch.randn(h, 2, generator=random, dtype=torch.float64),
        0.1 * torch.randn(h, generator=random, dtype=torch.float64),
    )
    points = torch.randn(5000, 2, 1, 1, generator=random, dtype=torch.float64)
    (count,) = count_regions(network, network, points, batches=1)
    assert 2 * h - 1 <= count <= 1 + h + h * (h - 1) // 2


@settings(deadline=None, max_examples=50, derandomize=True, database=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), max_size=30))
def test_count_distinct_is_the_size_of_the_set(rows):
    array = np.array(rows, dtype=np.uint8).reshape(-1, 3)
    assert count_distinct(array) == len({tuple(row) for row in rows})


def test_count_distinct_of_no_columns():
    assert count_distinct(np.zeros((4, 0), dtype=np.uint8)) == 1
    assert count_distinct(np.zeros((0, 0), dtype=np.uint8)) == 0


def test_patterns_are_the_signs_of_images_only(images):
    network = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.ReLU())
    rows = activation_patterns(network, network, images(4, 1, 2, 3))
    signs = np.unpackbits(rows, axis=1)[:, :6]
    assert (signs == (images(4, 1, 2, 3) > 0).flatten(1).numpy()).all()
    assert not network[0]._forward_hooks


def test_a_network_without_relus_has_one_region(images):
    network = nn.Sequential(nn.Identity())
    assert count_regions(network, network, images(5, 1, 2, 2), batches=1) == [1]


def test_duplicate_columns_do_not_matter(images):
    class Both(nn.Module):
        def __init__(self, times):
            super().__init__()
            self.layers = nn.ModuleList(nn.ReLU() for _ in range(times))

        def forward(self, x):
            return sum(layer(x) for layer in self.layers)

    x = images(200, 1, 1, 3)
    counts = [count_regions(network, network, x, batches=1) for network in (Both(1), Both(3))]
    assert counts[0] == counts[1] == [8]


@pytest.mark.parametrize("space", SPACES)
def test_equals_comparing_all_pairs(space, images):
    space = get_space(space)
    config = space.networks["regions"]
    fused = CellSupernet(space, config, in_channels=1, initialisation="kaiming-fan-in", seed=2).double()
    obvious = ObviousSupernet.like(fused, space, config, in_channels=1)
    replace_batch_norm(fused, "frozen")
    x = images(60, 1, 3, 3)
    counts = []
    for seed, active in enumerate((1.0, 0.4, 0.15)):
        weights = {kind: value[0] for kind, value in random_mixing(space, 1, active, seed).items()}
        expected = reference.count_regions(obvious, x.split(30), weights)
        together = {kind: value[None].repeat(2, 1, 1) for kind, value in weights.items()}
        found = count_regions(fused, lambda x, w=together: fused(x, w), x, batches=2)
        assert found == [expected]
        counts.append(expected)
    assert max(counts) > 1


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("batches", [1, 2])
def test_networks_side_by_side_count_their_own_activations(space, batches, images):
    """A network must not get the regions of an operation that only its neighbour in the batch has."""
    space = get_space(space)
    config = space.networks["regions"]
    fused = CellSupernet(space, config, in_channels=1, initialisation="kaiming-fan-in").double()
    obvious = ObviousSupernet.like(fused, space, config, in_channels=1)
    replace_batch_norm(fused, "frozen")
    start, direction = images(2, 1, 1, 3, 3)
    x = start + torch.linspace(-2, 2, 60, dtype=torch.float64)[:, None, None, None] * direction  # few regions
    differ = []
    for seed, active in enumerate((0.5, 0.15)):
        weights = random_mixing(space, 4, active, seed)
        spread = {kind: value.repeat_interleave(batches, 0) for kind, value in weights.items()}
        together = count_regions(fused, lambda x, w=spread: fused(x, w), x, batches=batches, groups=4)
        alone = [
            reference.count_regions(obvious, x.chunk(batches), {kind: value[at] for kind, value in weights.items()})
            for at in range(4)
        ]
        assert together == alone
        differ += alone
    assert len(set(differ)) > 2


def test_the_order_of_patches_does_not_matter(images):
    space = get_space("nas-bench-201")
    network = space.build(space.from_index(99), network="regions", in_channels=1, initialisation="kaiming-fan-in")
    replace_batch_norm(network.double(), "frozen")
    x = images(300, 1, 3, 3)
    order = torch.randperm(300, generator=generator(0))
    counts = [count_regions(network, network, part, batches=1) for part in (x, x[order])]
    assert counts[0] == counts[1]
    assert counts[0][0] > 1


class TestScore:
    def test_counts_the_patches_of_the_probe(self, digits):
        space = get_space("nas-bench-201")
        score = LinearRegions(patches=100, batches=2)
        probe = Probe(space, space.from_index(4321), digits, seed=3)
        own = probe.network("regions", initialisation=score.initialisation, in_channels=1)
        network = copy.deepcopy(own)
        expected = reference.count_regions(network.double(), probe.patches(100, 3, 2).double().chunk(2))
        assert score(probe) == pytest.approx(expected, rel=0.03)
        assert 1 < score(probe) <= 200

    def test_no_path_means_one_region(self, digits):
        space = get_space("nas-bench-201")
        probe = Probe(space, space.architecture(["none"] * 6), digits)
        assert LinearRegions(patches=50)(probe) == LinearRegions.worst == 1.0

    def test_a_space_without_such_a_network_is_refused(self, digits):
        space = toy_space()
        with pytest.raises(SettingError, match="toy has none"):
            LinearRegions()(Probe(space, space.sample(generator(0)), digits))
