"""Tiles: the same picture whatever their size, in bounded memory; and how far a network sees."""

import copy
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from nascence.errors import NascenceError
from nascence.operations.unfolding import Unfolded
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.unfold_dense import UnfoldSize
from nascence.tasks.base import Signature
from nascence.tasks.restoration.restoring import receptive_radius, restore


def convolutions(channels=1, scale=1, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.Conv2d(6, channels * scale**2, 3, padding=1)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale))


@pytest.mark.parametrize(
    ("network", "radius"),
    [
        (nn.Conv2d(1, 1, 1), 0),
        (nn.Conv2d(1, 1, 3, padding=1), 1),
        (nn.Conv2d(1, 1, 3, padding=4, dilation=4), 4),
        (convolutions(), 3),
        (Unfolded(convolutions(), 3), 9),
        (Unfolded(nn.Conv2d(1, 1, 5, padding=2), 20), 40),
    ],
)
def test_how_far_a_network_sees(network, radius):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert receptive_radius(network, 1) == radius
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_how_far_an_enlarging_network_sees():
    assert receptive_radius(convolutions(scale=2), 1, 2) == 3


def test_a_network_that_sees_everything_is_refused():
    class Mean(nn.Module):
        def forward(self, x_BCHW):
            return x_BCHW - x_BCHW.mean((2, 3), keepdim=True)

    with pytest.raises(NascenceError, match="whole picture"):
        receptive_radius(Mean(), 1)


@pytest.mark.parametrize("unfolding", [0, 2])
def test_tiles_do_not_show(unfolding, random_picture):
    space, signature = get_space("unfold-dense"), Signature("images", 1, 1, (8, 8), dense=True)
    draws = generator(1, "tiles")
    picture = random_picture(90, 133)
    for seed in range(3):
        network = space.build(
            space.sample(draws), network=UnfoldSize(channels=8, unfolding=unfolding), signature=signature, seed=seed
        ).eval()
        with torch.no_grad():
            whole = copy.deepcopy(network).double()(torch.from_numpy(picture / 255).float()[None].double())[0]
        expected = (255 * whole + 0.5).floor().clamp(0, 255).numpy().astype(np.uint8)
        for tile in (300, 64, 37):
            assert np.array_equal(restore(network, picture, 1, tile=tile), expected), (seed, tile)


def test_a_margin_that_is_too_small_shows(random_picture):
    network, picture = convolutions(seed=3), random_picture(80, 80)
    assert not np.array_equal(restore(network, picture, 1, tile=20, margin=0), restore(network, picture, 1, tile=20))


def test_enlarging_in_tiles(random_picture):
    network, picture = convolutions(scale=2), random_picture(40, 50)
    whole = restore(network, picture, 1, 2, tile=100)
    assert whole.shape == (1, 80, 100)
    assert np.array_equal(restore(network, picture, 1, 2, tile=16), whole)
    with pytest.raises(NascenceError, match="3 times"):
        restore(network, picture, 1, 3, margin=3)


def test_colours_and_bits(random_picture):
    grey, coloured = convolutions(1), convolutions(3)
    picture = random_picture(20, 30, 3)
    planes = restore(grey, picture, 1)
    assert np.array_equal(planes[1], restore(grey, picture[1:2], 1)[0])
    assert restore(coloured, picture, 3).shape == (3, 20, 30)
    single = restore(coloured, picture[:1], 3)
    with torch.no_grad():
        said = coloured.double()(torch.from_numpy(picture[:1].repeat(3, 0) / 255).float()[None].double()).mean(1)
    assert np.array_equal(single, (255 * said + 0.5).floor().clamp(0, 255).numpy().astype(np.uint8))
    deep = restore(grey, random_picture(20, 30, deep=True), 1)
    assert deep.dtype == np.uint16
    assert deep.max() > 255


def test_memory_does_not_grow_with_the_picture(random_picture):
    """What Python and NumPy allocate; a network's features are those of one tile."""
    network, peaks = nn.Conv2d(1, 1, 3, padding=1), []
    for side in (200, 800):
        picture = random_picture(side, side)
        tracemalloc.start()
        restore(network, picture, 1, tile=100)
        peaks.append(tracemalloc.get_traced_memory()[1] - picture.nbytes)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 800 * 800 / 2
