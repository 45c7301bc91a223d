"""Averaging down, subsampling and scattering."""

import pytest
import torch

from nascence.operations.resizing import Resize, at_share, nearest, resized, scattered, subsampled
from nascence.seeding import generator


def picture(height=6, width=6):
    return torch.randn(2, 3, height, width, generator=generator(0)) + 10


def test_averages_whole_blocks():
    x = picture()
    torch.testing.assert_close(resized(x, (3, 3)), x.reshape(2, 3, 3, 2, 3, 2).mean((3, 5)))
    assert resized(x, (6, 6)) is x


def test_positions_of_a_size_that_does_not_divide():
    assert nearest(3, 6).tolist() == [0, 2, 4]
    assert nearest(5, 7).tolist() == [0, 1, 2, 4, 5]
    assert nearest(4, 4).tolist() == [0, 1, 2, 3]


def test_scatter_of_every_second_pixel_fills_even_positions_only():
    x = picture()
    small = subsampled(x, (3, 3))
    assert torch.equal(small, x[..., ::2, ::2])
    back = scattered(small, (6, 6))
    assert torch.equal(back[..., ::2, ::2], small)
    assert back[..., 1::2, :].abs().max() == back[..., :, 1::2].abs().max() == 0


def test_full_size_is_the_identity():
    x = picture(5, 7)
    assert torch.equal(scattered(subsampled(x, (5, 7)), (5, 7)), x)


@pytest.mark.parametrize("size", [(3, 5), (4, 7), (1, 1)])
def test_what_was_taken_goes_back_to_where_it_came_from(size):
    x = picture(5, 7)
    back = scattered(subsampled(x, size), (5, 7))
    assert int((back != 0).sum()) == 6 * size[0] * size[1]
    assert torch.equal(back[back != 0], x[back != 0])


def test_shares_of_a_size_round_to_the_nearest_pixel_and_leave_one():
    assert at_share((32, 20), 4 / 7) == (18, 11)
    assert at_share((224, 224), 4 / 7) == (128, 128)
    assert at_share((3, 3), 0.1) == (1, 1)


def test_module_takes_pictures_of_any_size():
    half = Resize(0.5)
    assert half(picture(6, 8)).shape == (2, 3, 3, 4)
    for share in (0.1, 3 / 7, 4 / 7, 1.0):
        x = picture(7, 5)
        assert torch.equal(Resize(share)(x), resized(x, at_share((7, 5), share)))
    assert not list(half.parameters())
