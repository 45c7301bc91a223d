"""The data step by its equation: what it leaves alone, where it goes, and when it would not."""

import pytest
import torch
from torch import nn

from nascence.operations.unfolding import DataStep, Unfolded


class Nothing(nn.Module):
    def forward(self, x_BCHW):
        return torch.zeros_like(x_BCHW)


class Towards(nn.Module):
    """A prior step that always ends in the same picture."""

    def __init__(self, v_BCHW):
        super().__init__()
        self.v_BCHW = v_BCHW

    def forward(self, x_BCHW):
        return self.v_BCHW - x_BCHW


def pictures(seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(1, 1, 4, 5, generator=random, dtype=torch.float64), torch.rand(
        1, 1, 4, 5, generator=random, dtype=torch.float64
    )


def test_the_data_step_by_its_equation():
    (x, y), (v, _) = pictures(), pictures(1)
    for delta, eta in ((0.5, 0.9), (0.1, 0.9), (1.2, 0.3)):
        step = DataStep(delta, eta).double()
        assert float(step.delta.detach()) == pytest.approx(delta, rel=1e-5)
        assert float(step.eta.detach()) == pytest.approx(eta, rel=1e-5)
        torch.testing.assert_close(step(x, y, v).detach(), x - delta * ((x - y) + eta * (x - v)), rtol=1e-5, atol=1e-6)


def test_without_a_prior_every_iterate_is_the_input():
    y, _ = pictures()
    for steps in (0, 1, 4):
        assert torch.equal(Unfolded(Nothing(), steps).double()(y), y)


@pytest.mark.parametrize(("delta", "eta"), [(0.5, 0.9), (0.1, 0.9), (1.0, 0.9)])
def test_towards_a_fixed_picture_the_iteration_converges(delta, eta):
    y, v = pictures()
    x = Unfolded(Towards(v), 150, delta, eta).double()(y).detach()
    torch.testing.assert_close(x, (y + eta * v) / (1 + eta), rtol=1e-5, atol=1e-6)


def test_beyond_the_bound_it_would_diverge_and_no_numbers_reach_it():
    y, v = pictures()
    delta, eta = 1.2, 0.9  # delta (1 + eta) = 2.28
    x = y
    for _ in range(60):
        x = x - delta * ((x - y) + eta * (x - v))
    assert x.abs().max() > 100
    with pytest.raises(AssertionError):
        DataStep(delta, eta)
    step = DataStep()
    with torch.no_grad():
        step.gain.fill_(100.0)
        step.trust.fill_(-100.0)
    assert float((step.delta * (1 + step.eta)).detach()) <= 2


def test_the_network_is_shared_by_all_steps_and_learns():
    y, _ = pictures()
    prior = nn.Conv2d(1, 1, 3, padding=1).double()
    unfolded = Unfolded(prior, 3).double()
    assert sum(p.numel() for p in unfolded.parameters()) == sum(p.numel() for p in prior.parameters()) + 6
    unfolded(y).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in unfolded.parameters())


def test_any_network_can_be_unfolded():
    y = torch.rand(1, 1, 8, 8)
    for prior in (nn.Identity(), nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))):
        assert Unfolded(prior, 2)(y).shape == y.shape
    assert torch.equal(Unfolded(nn.Identity(), 0)(y), 2 * y)
