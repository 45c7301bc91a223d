import pytest
import torch

from nascence.seeding import generator
from nascence.strategies.descent.unrolled import unrolled_gradient


def normal(*shape, seed):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


class Problem:
    """A small smooth bilevel problem in float64: a network of two layers whose features are mixed by softmax(a)."""

    def __init__(self, seed=0):
        self.w = [normal(4, 3, seed=seed + 1).requires_grad_(), normal(2, 4, seed=seed + 2).requires_grad_()]
        self.a = normal(3, seed=seed + 3).requires_grad_()
        self.data = [(normal(5, 3, seed=seed + s), normal(5, 2, seed=seed + s + 1)) for s in (4, 6)]

    def loss(self, which, w=None):
        first, second = w or self.w
        x, y = self.data[which]
        out = torch.tanh(x * self.a.softmax(0) @ first.T) @ second.T
        return (out - y).square().mean()

    def exact(self, lr, momentum=0.0, decay=0.0, buffers=(0.0, 0.0)):
        """Through the virtual step by automatic differentiation twice."""
        step = torch.autograd.grad(self.loss(0), self.w, create_graph=True)
        moved = [w - lr * (momentum * m + g + decay * w) for w, g, m in zip(self.w, step, buffers, strict=True)]
        return torch.autograd.grad(self.loss(1, moved), self.a)[0]

    def ours(self, lr, radius=1e-4, **more):
        (gradient,) = unrolled_gradient(
            lambda: self.loss(0), lambda: self.loss(1), self.w, [self.a], learning_rate=lr, radius=radius, **more
        )
        return gradient


@pytest.mark.parametrize("seed", [0, 10])
@pytest.mark.parametrize("lr", [0.02, 0.5])
def test_finite_differences_equal_differentiation_through_the_step(seed, lr):
    problem = Problem(seed)
    buffers = [normal(*w.shape, seed=30 + at) for at, w in enumerate(problem.w)]
    before = [w.detach().clone() for w in problem.w]
    ours = problem.ours(lr, momentum=0.9, weight_decay=0.01, buffers=buffers)
    exact = problem.exact(lr, 0.9, 0.01, buffers)
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-9)
    assert all(torch.equal(w, was) for w, was in zip(problem.w, before, strict=True)), "put back to the bit"
    first_order = torch.autograd.grad(problem.loss(1), problem.a)[0]
    assert (ours - first_order).abs().max() > 100 * (ours - exact).abs().max(), "not vacuous"


def test_the_papers_radius_is_close():
    problem = Problem()
    torch.testing.assert_close(problem.ours(0.1, radius=0.01), problem.exact(0.1), rtol=1e-3, atol=1e-6)


def test_without_a_step_it_is_the_first_order():
    problem = Problem()
    torch.testing.assert_close(problem.ours(0.0), torch.autograd.grad(problem.loss(1), problem.a)[0], rtol=0, atol=0)


def test_a_quadratic_by_hand():
    """L_train = w a - a^2 + w^2 / 2, L_valid = (w - 1)^2 / 2 + a w, at w = 2, a = 3, xi = 0.1:
    w' = 2 - 0.1 (3 + 2) = 1.5; dL_valid/da = w' = 1.5; dL_valid/dw' = 0.5 + 3 = 3.5; d2 L_train/da dw = 1."""
    w, a = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (2.0, 3.0))
    (gradient,) = unrolled_gradient(
        lambda: (w * a - a**2 + w**2 / 2).sum(), lambda: ((w - 1) ** 2 / 2 + a * w).sum(), [w], [a], learning_rate=0.1
    )
    assert float(gradient) == pytest.approx(1.5 - 0.1 * 3.5 * 1)


def test_weights_are_put_back_when_a_loss_fails():
    problem = Problem()
    before = [w.detach().clone() for w in problem.w]

    def fail():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        unrolled_gradient(lambda: problem.loss(0), fail, problem.w, [problem.a], learning_rate=0.1)
    assert all(torch.equal(w, was) for w, was in zip(problem.w, before, strict=True))
