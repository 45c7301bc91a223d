"""``none``: zeros, whatever comes in."""

import pytest
import torch

from nascence.operations import Zero
from nascence.seeding import generator


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("stride", [1, 2])
def test_zeros_even_for_nan_and_infinity(poison, stride):
    out = Zero(4, stride)(torch.full((2, 4, 5, 7), poison))
    assert out.shape == (2, 4, 5 if stride == 1 else 3, 7 if stride == 1 else 4)
    assert torch.equal(out, torch.zeros_like(out))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_keeps_the_type(dtype):
    assert Zero(3, 1)(torch.ones(1, 3, 2, 2, dtype=dtype)).dtype == dtype


def test_may_change_the_channels():
    assert Zero(6, 2)(torch.ones(2, 3, 4, 4)).shape == (2, 6, 2, 2)


def test_a_sum_with_it_passes_gradients_on_unchanged():
    x = torch.randn(2, 3, 4, 4, generator=generator(0), requires_grad=True)
    (x + Zero(3, 1)(x)).sum().backward()
    assert x.grad.eq(1).all()


def test_has_no_parameters():
    assert not list(Zero(3, 1).parameters())
