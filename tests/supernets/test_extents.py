"""Numbers that depend on choices: products, joint tables, means."""

import itertools

import pytest
import torch

from nascence.seeding import generator
from nascence.supernets.extents import Extent, joined, mean

A, B = ("width", 0), ("width", 1)
WIDTHS = [4.0, 8.0, 16.0]


def random_weights(options=3):
    rows = torch.rand(2, options, generator=generator(0), dtype=torch.float64) + 0.1
    return {"width": rows / rows.sum(-1, keepdim=True)}


def test_mean_of_one_row():
    weights = random_weights()
    expected = sum(w * p for w, p in zip(WIDTHS, weights["width"][0].tolist(), strict=True))
    assert float(Extent.of(A, WIDTHS).mean(weights)) == pytest.approx(expected)
    assert float(Extent.fixed(3).mean(weights)) == 3


def test_product_of_independent_rows_is_the_product_of_means():
    one, two, weights = Extent.of(A, WIDTHS), Extent.of(B, [1.0, 2.0, 5.0]), random_weights()
    product = one * two
    assert product.rows == (A, B)
    assert float(product.mean(weights)) == pytest.approx(float(one.mean(weights) * two.mean(weights)))


def test_shared_row_is_one_choice_not_two():
    """E[w^2], not E[w]^2: both sides of a convolution within one residual chain."""
    width, weights = Extent.of(A, WIDTHS), random_weights()
    square = width * width
    assert square.rows == (A,)
    expected = sum(w * w * p for w, p in zip(WIDTHS, weights["width"][0].tolist(), strict=True))
    assert float(square.mean(weights)) == pytest.approx(expected)
    assert float(square.mean(weights)) > float(width.mean(weights)) ** 2


def test_mean_equals_brute_force_over_three_by_four_options():
    rows = {"width": torch.tensor([[0.2, 0.3, 0.5]]), "expansion": torch.tensor([[0.1, 0.2, 0.3, 0.4]])}
    before, factor = Extent.of(("width", 0), WIDTHS), Extent.of(("expansion", 0), [1.0, 2.5, 3.0, 6.0])
    hidden = joined(lambda width, times: (width * times / 8).round().clamp_min(1) * 8, before, factor)
    cost = 2 * before * hidden + 9 * hidden + 7.0
    expected = 0.0
    for i, j in itertools.product(range(3), range(4)):
        chance = float(rows["width"][0, i]) * float(rows["expansion"][0, j])
        rounded = max(1, round(WIDTHS[i] * [1.0, 2.5, 3.0, 6.0][j] / 8)) * 8
        expected += chance * (2 * WIDTHS[i] * rounded + 9 * rounded + 7)
    assert float(cost.mean(rows)) == pytest.approx(expected, rel=1e-6)


def test_order_of_rows_does_not_matter():
    one, two, weights = Extent.of(A, WIDTHS), Extent.of(B, [1.0, 2.0, 5.0]), random_weights()
    ahead, behind = (one * two) + one, two + (one * two * one)
    both = ahead * behind
    for i, j in itertools.product(range(3), range(3)):
        a, b = WIDTHS[i], [1.0, 2.0, 5.0][j]
        assert both.value({A: i, B: j}) == (a * b + a) * (b + a * b * a)
    assert float((two * one).mean(weights)) == pytest.approx(float((one * two).mean(weights)))


def test_is_exact_at_one_hot_single_precision_weights_and_differentiable():
    large = Extent.of(A, [123_456_789.0, 987_654_321.0, 5.0]) * 3
    weights = {"width": torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], requires_grad=True)}
    found = large.mean(weights)
    assert float(found.detach()) == 3 * 987_654_321
    found.backward()
    assert weights["width"].grad[0].tolist() == pytest.approx([370370367.0, 2962962963.0, 15.0])
    assert weights["width"].grad[1].abs().max() == 0


def test_sum_of_parts_and_chosen_option():
    weights = random_weights()
    parts = [Extent.chosen(A, 3, option) for option in range(3)]
    assert float(mean(parts, weights)) == pytest.approx(1)
    assert float(parts[1].mean(weights)) == pytest.approx(float(weights["width"][0, 1]))
    assert Extent.of(A, WIDTHS).largest == 16
