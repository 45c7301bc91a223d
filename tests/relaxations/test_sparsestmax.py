"""Sparsestmax: known values, its geometry, and what it does over a search."""

import itertools
import math

import pytest
import torch

from nascence.relaxations.sparsestmax import Sparsestmax, sparsemax, sparsestmax
from nascence.schedules import Linear, Moment
from nascence.seeding import generator
from nascence.testing import toy_denoiser_space, toy_space

Z = torch.tensor([0.3, 0.25, 0.2, 0.15], dtype=torch.float64)


def rows(count=40, options=5, seed=0):
    return torch.randn(count, options, generator=generator(seed, "rows"), dtype=torch.float64)


@pytest.mark.parametrize(
    ("radius", "expected"),
    [
        (0.0, [0.325, 0.275, 0.225, 0.175]),
        (0.1, [0.325, 0.275, 0.225, 0.175]),
        (0.3, [0.4512, 0.3171, 0.1829, 0.0488]),
        (0.5, [0.6220, 0.3333, 0.0447, 0.0]),
        (0.7, [0.8464, 0.1536, 0.0, 0.0]),
        (0.8, [0.9416, 0.0584, 0.0, 0.0]),
        (0.866, [1.0, 0.0, 0.0, 0.0]),
        (1.0, [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_known_values(radius, expected):
    assert sparsestmax(Z, radius).tolist() == pytest.approx(expected, abs=1.5e-4)


def test_sparsemax_is_the_nearest_point():
    z = rows(20)
    p = sparsemax(z)
    torch.testing.assert_close(p.sum(-1), torch.ones(20, dtype=torch.float64))
    assert (p >= 0).all()
    for other in torch.softmax(rows(50, seed=1), -1):
        assert ((z - p).norm(dim=-1) <= (z - other).norm(dim=-1) + 1e-12).all()


@pytest.mark.parametrize("radius", [0.2, 0.5, 0.8])
def test_the_distance_from_the_centre(radius):
    z = 0.3 * rows()
    p0, p = sparsemax(z), sparsestmax(z, radius)
    torch.testing.assert_close(p.sum(-1), torch.ones(len(z), dtype=torch.float64))
    assert (p >= 0).all()
    distances = [(each - 1 / 5).norm(dim=-1) for each in (p0, p)]
    one_hot = p.amax(-1) == 1
    expected = distances[0].clamp_min(radius)
    torch.testing.assert_close(distances[1][~one_hot], expected[~one_hot])
    order = z.argsort(-1)
    assert (p.gather(-1, order).diff(dim=-1) >= -1e-12).all(), "the order is kept"


@pytest.mark.parametrize("options", [2, 3, 4, 5, 9])
def test_a_large_radius_is_one_hot(options):
    z = 1e-3 * rows(30, options)
    forced = math.sqrt((options - 1) / options)
    for radius in (forced + 1e-6, 1.0):
        p = sparsestmax(z, radius)
        assert torch.equal(p.argmax(-1), z.argmax(-1))
        assert float((p == 0).double().mean()) == pytest.approx((options - 1) / options)
    assert (sparsestmax(z, 0.9 * forced).amax(-1) < 1).all()


def test_equal_entries_stay_equal():
    assert sparsestmax(torch.zeros(4), 1.0).tolist() == [0.25] * 4
    p = sparsestmax(torch.tensor([1.0, 1.0, 0.0]), 0.9)
    assert p[0] == p[1]


def test_entries_that_take_no_part():
    z = rows(10)
    masked = z.clone()
    masked[:, 1] = -torch.inf
    for radius in (0.0, 0.4, 1.0):
        p = sparsestmax(masked, radius)
        assert (p[:, 1] == 0).all()
        torch.testing.assert_close(p[:, [0, 2, 3, 4]], sparsestmax(z[:, [0, 2, 3, 4]], radius))


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.5])
def test_gradients(radius):
    z = (0.2 * rows(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: sparsestmax(each, radius), (z,), eps=1e-7, atol=1e-4)
    hard = rows(3).requires_grad_()
    sparsestmax(hard, 1.0)[:, 0].sum().backward()
    assert hard.grad.isfinite().all(), "an early winner is final, and its gradient is no NaN"


@pytest.mark.parametrize("space", [toy_space(), toy_denoiser_space()], ids=lambda space: space.name)
def test_over_a_search_zeros_grow_until_all_is_one_hot(space):
    relaxation = Sparsestmax(space, radius=Linear(0.0, 1.0, reach=True), seed=3)
    zeros = []
    for epoch in range(11):
        relaxation.begin(Moment(epoch, 11))
        zeros.append(relaxation.observed()["zeros"])
        for weights in relaxation.mean().values():
            torch.testing.assert_close(weights.sum(-1), torch.ones(len(weights)))
    assert zeros[0] == 0
    assert all(later >= earlier for earlier, later in itertools.pairwise(zeros))
    expected = [(group.shape[1] - 1) / group.shape[1] for group in space.groups]
    assert zeros[-1] == pytest.approx(sum(expected) / len(expected))
    assert relaxation.observed()["radius"] == 1
