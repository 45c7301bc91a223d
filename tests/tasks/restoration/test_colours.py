"""Luma as MATLAB computes it, and pictures as numbers in [0, 1]."""

import numpy as np
import pytest
import torch

from nascence.tasks.restoration.colours import as_unit, full_luma, in_colours, luma_of_output, studio_luma


def coloured(*rgb, kind=np.uint8):
    return np.array(rgb, kind)[:, None, None]


@pytest.mark.parametrize(
    ("rgb", "studio", "full"),
    [((0, 0, 0), 16, 0), ((255, 255, 255), 235, 255), ((255, 0, 0), 81, 76), ((0, 255, 0), 145, 150)],
)
def test_luma_of_known_colours(rgb, studio, full):
    assert studio_luma(coloured(*rgb)).item() == studio
    assert full_luma(coloured(*rgb)).item() == full


def test_sixteen_bits_have_the_same_luma():
    deep = coloured(255 * 257, 0, 128 * 257, kind=np.uint16)
    shallow = coloured(255, 0, 128)
    for luma in (studio_luma, full_luma):
        assert luma(deep).dtype == np.uint16
        assert luma(deep).item() / 257 == pytest.approx(luma(shallow).item(), abs=0.5)


def test_a_grey_picture_is_its_own_luma():
    grey = np.array([[[3, 200]]], np.uint8)
    assert np.array_equal(in_colours(grey, 1, studio=True), grey)
    assert np.array_equal(in_colours(grey, 3, studio=True), grey.repeat(3, 0))
    assert in_colours(coloured(255, 0, 0), 1, studio=True).item() == 81
    assert in_colours(coloured(255, 0, 0), 1, studio=False).item() == 76
    assert in_colours(coloured(255, 0, 0), 3, studio=True).shape == (3, 1, 1)


def test_the_luma_of_an_output_is_not_rounded():
    x_BCHW = torch.tensor([1.0, 0.0, 0.5]).view(1, 3, 1, 1)
    assert 255 * luma_of_output(x_BCHW).item() == pytest.approx(16 + 65.481 + 24.966 / 2)
    assert torch.equal(luma_of_output(x_BCHW[:, :1]), x_BCHW[:, :1])


def test_unit_values():
    assert as_unit(np.array([0, 255], np.uint8)).tolist() == [0, 1]
    assert as_unit(np.array([0, 65535], np.uint16)).tolist() == [0, 1]
    assert as_unit(np.array([-0.25, 1.5])).tolist() == [-0.25, 1.5]
    assert as_unit(np.array([0.1])).dtype == torch.float32
