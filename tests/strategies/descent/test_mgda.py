"""Multiple-gradient descent: numbers worked out by hand, the property that it is for, and the library torchjd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchjd.aggregation import MGDA as Theirs

from nascence.strategies.descent.combination import Sum
from nascence.strategies.descent.mgda import MGDA, least_norm

vectors = st.integers(1, 4).flatmap(
    lambda count: st.lists(
        st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=3, max_size=3), min_size=count, max_size=count
    )
)


def shares(*gradients):
    matrix = torch.tensor(gradients, dtype=torch.float64)
    return least_norm(matrix @ matrix.T)


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([(1, 0), (0, 2)], (0.8, 0.2)),
        ([(1, 0), (-0.5, 0.1)], (0.336, 0.664)),
        ([(1, 0, 0), (0, 2, 0), (0, 0, 4)], (16 / 21, 4 / 21, 1 / 21)),
        ([(1, 0), (0, 1e4)], (1, 1e-8)),
        ([(1, 0), (2, 0)], (1, 0)),  # g1 . g2 >= g1 . g1
        ([(2, 1), (1, 0)], (0, 1)),
        ([(1, 0), (-1, 0)], (0.5, 0.5)),
        ([(3, 4)], (1,)),
    ],
)
def test_numbers_by_hand(gradients, expected):
    found = shares(*gradients)
    assert found.tolist() == pytest.approx(expected, abs=5e-4)
    assert float(found.sum()) == pytest.approx(1)


def test_the_norm_of_the_conflicting_pair():
    matrix = torch.tensor([(1, 0), (-0.5, 0.1)], dtype=torch.float64)
    assert float((least_norm(matrix @ matrix.T) @ matrix).square().sum()) == pytest.approx(0.0044, abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(vectors)
def test_no_objective_grows_along_it(gradients):
    matrix = torch.tensor(gradients, dtype=torch.float64)
    found = least_norm(matrix @ matrix.T)
    assert float(found.min()) >= 0
    assert float(found.sum()) == pytest.approx(1)
    direction = -(found @ matrix)
    assert float((matrix @ direction).max()) <= 1e-6
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = torch.rand(len(matrix), generator=random, dtype=torch.float64)
        assert float(direction.norm()) <= float((other / other.sum() @ matrix).norm()) + 1e-6


def test_torchjd_finds_the_same_direction():
    random = torch.Generator().manual_seed(1)
    for count in (2, 3, 4):
        for _ in range(5):
            matrix = torch.randn(count, 6, generator=random, dtype=torch.float64)
            theirs = Theirs(epsilon=1e-9, max_iters=5000)(matrix)
            torch.testing.assert_close(least_norm(matrix @ matrix.T) @ matrix, theirs, atol=5e-3, rtol=0)


def losses(point):
    """Two losses whose gradients at (1, 1) are (1, 0) and (0, 1e4), and one that has none."""
    return [point[0], 1e4 * point[1], point.sum() * 0 + 5.0]


def gradients_at(point):
    return lambda loss: list(torch.autograd.grad(loss, [point], retain_graph=True))


def test_normalised_gradients_have_equal_say_whatever_their_scale():
    point = torch.ones(2, requires_grad=True)
    mgda = MGDA()
    loss = mgda.loss(losses(point)[:2], gradients_at(point))
    (gradient,) = torch.autograd.grad(loss, [point])
    assert gradient.tolist() == pytest.approx([0.5, 0.5])
    assert mgda.observed() == {"objective_1_share": pytest.approx(0.5), "objective_2_share": pytest.approx(0.5)}
    assert loss.item() == pytest.approx(1 + 1e4), "its value is the sum, which can be read"
    bare = MGDA(scale="none")
    (gradient,) = torch.autograd.grad(bare.loss(losses(point)[:2], gradients_at(point)), [point])
    assert bare.observed()["objective_1_share"] == pytest.approx(1)
    assert gradient.tolist() == pytest.approx([1, 1e-4], rel=1e-3)


def test_an_objective_that_vanished_does_not_stop_the_others():
    point = torch.ones(2, requires_grad=True)
    mgda = MGDA()
    (gradient,) = torch.autograd.grad(mgda.loss(losses(point)[::2], gradients_at(point)), [point])
    assert gradient.tolist() == pytest.approx([1, 0])
    assert mgda.observed() == {"objective_1_share": 1.0, "objective_2_share": 0.0}


def test_where_all_vanished_nothing_moves():
    point = torch.ones(2, requires_grad=True)
    loss = MGDA().loss([losses(point)[2]], gradients_at(point))
    assert loss.item() == 5
    assert not loss.requires_grad


def test_one_objective_goes_where_its_sum_goes():
    point = torch.tensor([3.0, -2.0], requires_grad=True)
    terms = [(point**2).sum()]
    (mine,) = torch.autograd.grad(MGDA().loss(terms, gradients_at(point)), [point], retain_graph=True)
    (plain,) = torch.autograd.grad(Sum().loss(terms, gradients_at(point)), [point])
    torch.testing.assert_close(mine * plain.norm(), plain)
