"""MATLAB's bicubic resizing: what it keeps exactly, and every public low-resolution file."""

import numpy as np
import pytest
import torch
from PIL import Image

from nascence.errors import DataError
from nascence.tasks.restoration.resizing import enlarge_batch, enlarge_picture, resize_picture, shrink_picture


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_flat_pictures_stay_flat(scale):
    flat = np.full((3, 12, 24), 77, np.uint8)
    assert (shrink_picture(flat, scale) == 77).all()
    assert (enlarge_picture(flat, scale) == 77).all()


def test_shrinking_by_two_by_hand():
    """Output j lies at 2 j + 1/2; the stretched kernel at distances 1/4, 3/4, 5/4, 7/4 (times 2 on either side)."""
    kernel = [0.8671875, 0.2265625, -0.0703125, -0.0234375]
    weights = np.array([*reversed(kernel), *kernel]) / (2 * sum(kernel))
    row = np.zeros((1, 1, 32))
    row[..., 15] = 1
    shrunk = resize_picture(row, (1, 16))[0, 0]
    expected = np.zeros(16)
    for j in range(16):
        place = 15 - (2 * j - 3)  # of the impulse among the eight pixels that output j sees
        expected[j] = weights[place] if 0 <= place < 8 else 0
    np.testing.assert_allclose(shrunk, expected, atol=1e-12)


def test_enlarging_keeps_a_ramp_inside():
    ramp = np.arange(16.0)[None, None]
    enlarged = enlarge_picture(ramp.repeat(4, 1), 2)[0, 0]
    np.testing.assert_allclose(enlarged[6:-6], ((np.arange(32) + 0.5) / 2 - 0.5)[6:-6], atol=1e-9)


def test_the_edge_is_repeated():
    step = np.zeros((1, 8, 8))
    step[..., 0] = 1
    wider = np.concatenate([np.repeat(step[..., :1], 8, axis=-1), step], axis=-1)
    np.testing.assert_allclose(shrink_picture(step, 2), shrink_picture(wider.repeat(1, 1), 2)[..., 4:], atol=1e-12)


def test_whole_numbers_are_rounded_and_clipped_after_each_axis():
    picture = np.zeros((1, 8, 8), np.uint8)
    picture[..., 4:] = 255
    shrunk = shrink_picture(picture, 2)
    rows = np.clip(np.floor(resize_picture(picture.astype(float), (4, 8)) + 0.5), 0, 255)
    both = np.clip(np.floor(resize_picture(rows, (4, 4)) + 0.5), 0, 255)
    assert shrunk.dtype == np.uint8
    assert np.array_equal(shrunk, both)


def test_what_a_scale_does_not_divide_is_refused():
    with pytest.raises(DataError, match="9 x 8"):
        shrink_picture(np.zeros((1, 9, 8)), 2)


def test_batches_are_enlarged_like_pictures():
    x_BCHW = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    enlarged = enlarge_batch(x_BCHW, 3)
    assert enlarged.dtype == torch.float32
    expected = enlarge_picture(x_BCHW[1].double().numpy(), 3)
    np.testing.assert_allclose(enlarged[1].numpy(), expected, atol=1e-6)


@pytest.mark.data
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_every_public_file_is_reproduced_to_the_last_bit(restoration_data, name, scale):
    files = sorted((restoration_data / "sr" / name / f"LR_x{scale}").iterdir())
    assert len(files) == {"Set5": 5, "Set14": 14}[name]
    for file in files:
        small, large = (np.asarray(Image.open(path)) for path in (file, file.parent.parent / "HR" / file.name))
        small, large = (a[None] if a.ndim == 2 else a.transpose(2, 0, 1) for a in (small, large))
        large = large[:, : scale * small.shape[1], : scale * small.shape[2]]
        assert np.array_equal(shrink_picture(large, scale), small), file.name
