"""Calibration and disagreement, by hand and against torchmetrics' definition written out."""

import pytest
import torch

from nascence.seeding import generator
from nascence.tasks.calibration import BINS, calibration_error, calibration_sums, differing


def logits_of(share):
    return torch.tensor(share, dtype=torch.float64).log()


def test_by_hand():
    logits = logits_of([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.999999, 0.000001]])
    target = torch.tensor([0, 1, 1, 0])
    error = (abs(0.9 - 1) + abs(0.8 - 0) + abs(0.7 - 1) + abs(0.999999 - 1)) / 4  # four bins of one image each
    assert calibration_error(calibration_sums(logits, target)) == pytest.approx(100 * error)


def test_images_of_a_bin_are_averaged_before_the_difference():
    logits = logits_of([[0.75, 0.25]] * 4)
    assert calibration_error(calibration_sums(logits, torch.tensor([0, 0, 0, 1]))) == pytest.approx(0, abs=1e-9)
    assert calibration_error(calibration_sums(logits, torch.tensor([1, 1, 1, 1]))) == pytest.approx(75)


def test_sums_of_batches_are_those_of_the_whole():
    random = generator(0)
    logits, target = torch.randn(64, 5, generator=random), torch.randint(5, (64,), generator=random)
    whole = calibration_sums(logits, target)
    assert whole.shape == (3, BINS)
    assert float(whole[0].sum()) == 64
    parts = [calibration_sums(x, y) for x, y in zip(logits.split(10), target.split(10), strict=True)]
    torch.testing.assert_close(torch.stack(parts).sum(0), whole)
    share, called = logits.double().softmax(1).max(1)
    expected = 0.0
    for low in range(BINS):
        inside = (share > low / BINS) & (share <= (low + 1) / BINS)
        if inside.any():
            right = (called == target)[inside].double().mean()
            expected += float(inside.sum()) / 64 * abs(float(share[inside].mean() - right))
    assert calibration_error(whole) == pytest.approx(100 * expected)


def test_disagreement_is_the_mean_over_pairs():
    one = torch.eye(3)
    two = one[[0, 1, 1]]
    three = one[[1, 1, 1]]
    assert float(differing([one, two, three])) == pytest.approx((1 + 2 + 1) / 3)
    assert float(differing([one])) == 0
