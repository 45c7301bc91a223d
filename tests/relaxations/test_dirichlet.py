import math

import pytest
import torch

from nascence.relaxations import Dirichlet
from nascence.relaxations.dirichlet import LEAST, concentration, draw_dirichlet
from nascence.seeding import generator
from nascence.spaces import get_space

NB201 = get_space("nas-bench-201")


def ones(*shape):
    return torch.ones(*shape, dtype=torch.bool)


def test_concentration():
    theta = torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(concentration(theta), torch.tensor([math.exp(-1), 1.0, 3.0]))
    assert float(concentration(torch.tensor(-40.0))) == pytest.approx(LEAST)


def test_the_uniform_start():
    """beta = 1 is uniform on the simplex: mean 1/5, std sqrt(4/150) = 0.163, and the largest averages 0.457."""
    samples = draw_dirichlet(torch.ones(40_000, 5), ones(40_000, 5), generator(0))
    assert (samples >= 0).all()
    torch.testing.assert_close(samples.sum(1), torch.ones(40_000))
    torch.testing.assert_close(samples.mean(0), torch.full((5,), 0.2), atol=3e-3, rtol=0)
    torch.testing.assert_close(samples.std(0), torch.full((5,), 0.1633), atol=3e-3, rtol=0)
    assert float(samples.max(1).values.mean()) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5, abs=3e-3)


def test_the_pathwise_gradient_of_a_mean_is_exact_on_average():
    """d E[w_0] / d theta at theta = 0: (+0.16, -0.04, ...): beta_0 / B has derivative (B - beta_0) / B^2."""
    theta = torch.zeros(5, requires_grad=True)
    samples = draw_dirichlet(concentration(theta.expand(40_000, 5)), ones(40_000, 5), generator(1))
    (gradient,) = torch.autograd.grad(samples[:, 0].mean(), theta)
    torch.testing.assert_close(gradient, torch.tensor([0.16, -0.04, -0.04, -0.04, -0.04]), atol=3e-3, rtol=0)


def test_the_pathwise_gradient_of_a_loss_is_that_of_its_integral():
    """For two operations the expectation of a loss f(w) under Beta(a, b) is an integral on a grid; its derivative by
    differences against the average of pathwise gradients."""
    theta = torch.tensor([0.4, -0.3], dtype=torch.float64, requires_grad=True)

    def loss(w):
        return torch.sin(3 * w) + w.square()

    def expectation(a, b):
        w = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
        density = torch.distributions.Beta(a, b).log_prob(w).exp()
        return float((density * loss(w)).mean())

    rows = draw_dirichlet(concentration(theta.expand(200_000, 2)), ones(200_000, 2), generator(2))
    losses = loss(rows[:, 0])
    (gradient,) = torch.autograd.grad(losses.mean(), theta)
    step = 1e-3
    for at in range(2):
        ends = []
        for sign in (1, -1):
            moved = theta.detach().clone()
            moved[at] += sign * step
            ends.append(expectation(*concentration(moved)))
        assert float(gradient[at]) == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=6e-3)
    assert float(gradient.abs().max()) > 0.05


@pytest.mark.parametrize("theta", [-5.0, 0.0, 5.0])
def test_gradients_are_finite_far_out(theta):
    made = Dirichlet(NB201, NB201.operations)
    with torch.no_grad():
        made.parameters["cell"].fill_(theta)
        made.parameters["cell"][:, 0] = 5.0
    weights = made.sample(generator(0))["cell"]
    weights.max(1).values.sum().backward()
    assert made.parameters["cell"].grad.isfinite().all()
    torch.testing.assert_close(weights.sum(1), torch.ones(6))


def test_masked_samples_are_dirichlet_on_what_is_kept():
    made = Dirichlet(NB201, NB201.operations, scale=0.5)
    made.keep(3)
    kept = made.kept["cell"]
    draws = torch.stack([made.sample(generator(seed))["cell"].detach() for seed in range(4000)])
    assert (draws[:, ~kept] == 0).all()
    assert ((draws != 0).sum(2) == 3).all()
    torch.testing.assert_close(draws.sum(2), torch.ones(4000, 6))
    beta = concentration(made.parameters["cell"].detach()) * kept
    total = beta.sum(1, keepdim=True)
    mean = beta / total
    deviation = (mean * (1 - mean) / (total + 1)).sqrt()
    assert ((draws.mean(0) - mean).abs() <= 4 * deviation / 4000**0.5 + 1e-7).all()
    torch.testing.assert_close(made.mean()["cell"], mean)
    torch.testing.assert_close(draws.std(0), deviation, atol=8e-3, rtol=0)


def test_the_same_generator_gives_the_same_sample_and_global_randomness_is_left_alone():
    made = Dirichlet(NB201, NB201.operations)
    state = torch.get_rng_state()
    one, same, other = (made.sample(generator(seed))["cell"] for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    both = generator(1)
    assert torch.equal(made.sample(both)["cell"], one)
    assert not torch.equal(made.sample(both)["cell"], one), "one after the other they differ"


def test_large_concentrations_reduce_it_to_a_constant_mixture():
    """beta * s with s to infinity: the sample is the mean, so the step is DARTS's with weights beta / sum beta."""
    beta = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64) * 1e6
    sample = draw_dirichlet(beta, ones(1, 3), generator(0))
    torch.testing.assert_close(sample, beta / beta.sum(), atol=2e-3, rtol=0)


def test_edges_are_ranked_by_the_softmax():
    made = Dirichlet(NB201, NB201.operations, scale=1.0)
    torch.testing.assert_close(made.scores()["cell"], made.parameters["cell"].detach().log_softmax(1))
    assert torch.equal(made.scores()["cell"].argmax(1), made.mean()["cell"].argmax(1))
