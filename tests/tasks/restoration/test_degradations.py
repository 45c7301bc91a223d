"""Noise of a known level, shrinking without rounding, and levels that make no sense."""

import numpy as np
import pytest
import torch

from nascence.errors import DataError, SettingError
from nascence.tasks.restoration import GaussianNoise, Given, Shrunk
from nascence.tasks.restoration.resizing import shrink_picture


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_noise_has_its_level_and_is_not_clipped():
    clean = torch.ones(4, 1, 100, 100)
    noisy = GaussianNoise(25, 25).drawn(clean, seeded())
    assert 255 * float((noisy - clean).std()) == pytest.approx(25, rel=0.02)
    assert noisy.max() > 1.2
    assert torch.equal(noisy, GaussianNoise(25, 25).drawn(clean, seeded()))


def test_a_range_is_drawn_for_each_picture():
    clean = torch.zeros(200, 1, 40, 40)
    levels = 255 * GaussianNoise(10, 50).drawn(clean, seeded()).std((1, 2, 3))
    assert 9 < levels.min() < 14
    assert 46 < levels.max() < 52
    fixed = 255 * GaussianNoise(10, 50).drawn(clean, seeded(), share=0.25).std((1, 2, 3))
    assert fixed.mean() == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize(("text", "levels"), [("25", (25, 25)), ("0-50", (0, 50)), (" 2.5 ", (2.5, 2.5))])
def test_levels_are_parsed(text, levels):
    noise = GaussianNoise.parse(text)
    assert (noise.low, noise.high) == levels


@pytest.mark.parametrize("text", ["-1", "-5-10", "50-10", "0", "300", "much", "10-", "1-2-3", "nan"])
def test_levels_that_make_no_sense_are_refused(text):
    with pytest.raises(SettingError, match="sigma"):
        GaussianNoise.parse(text)


def test_shrinking_does_not_round():
    target = np.random.default_rng(0).integers(0, 256, (1, 12, 18)).astype(np.uint8)
    low = Shrunk(3).fixed(target)
    assert low.dtype == np.float32
    np.testing.assert_allclose(low, shrink_picture(target / 255, 3), atol=1e-6)
    assert np.abs(255 * low - np.rint(255 * low)).max() > 0.1
    assert GaussianNoise(5, 5).fixed(target) is None


@pytest.mark.parametrize("make", [Shrunk, lambda scale: Given("super-resolve", scale)])
def test_unknown_scales_are_refused(make):
    for scale in (1, 5):
        with pytest.raises(SettingError, match="scale"):
            make(scale)


def test_pairs_have_partners():
    assert torch.equal(Given("denoise", 1).drawn(torch.ones(1), seeded()), torch.ones(1))
    with pytest.raises(DataError, match="partner"):
        Given("denoise", 1).fixed(np.zeros((1, 2, 2)))
