"""The quick gradients of a mixture of kernels are those of the merged kernel."""

import pytest
import torch

from nascence.seeding import generator
from nascence.supernets.cells.mixtures import Geometry, convolve_mixture, merge


def random(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed, *shape), dtype=torch.float64)


@pytest.mark.parametrize(("dilation", "sizes"), [(1, (3, 5)), (2, (3, 5)), (1, (1, 3)), (1, (5, 3, 1)), (1, (3, 3))])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("least", [0.2, 0.0])
def test_gradients_of_a_mixture(dilation, sizes, stride, depthwise, trained, least):
    """Of the shares alone or of shares and kernels; also where the widest kernel has next to no share."""
    edges, channels = 3, 4
    geometry = Geometry(
        max(sizes), stride, dilation, edges * channels if depthwise else edges, dilation * (max(sizes) // 2)
    )
    x = random(2, edges * channels, 8, 8)
    shares = random(edges, len(sizes)).abs() + 0.2
    shares[1, sizes.index(max(sizes))] = least
    kernels = [random(edges * channels, 1 if depthwise else channels, k, k, seed=at) for at, k in enumerate(sizes)]
    found = []
    for how in (convolve_mixture, lambda x, s, kernels, geometry: geometry.convolve(x, merge(s, kernels))):
        leaves = [value.clone().requires_grad_() for value in (x, shares, *(kernels if trained else ()))]
        out = how(leaves[0], leaves[1], leaves[2:] if trained else kernels, geometry)
        (out * random(*out.shape, seed=1)).sum().backward()
        found.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("depthwise", [True, False])
@pytest.mark.parametrize("trained", [True, False])
def test_channels_last_stays_so_and_has_the_same_gradients(depthwise, trained):
    """Gradients in another layout than their values' make every layer before convert them."""
    geometry = Geometry(3, 1, 1, 6 if depthwise else 1, 1)
    channels = 1 if depthwise else 6
    kernels = [random(6, channels, k, k, seed=k) for k in (1, 3)]
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        x = random(2, 6, 8, 8).to(memory_format=layout).requires_grad_()
        leaves = [x, torch.full((3, 2), 0.5).double().requires_grad_()]
        leaves += [kernel.clone().requires_grad_() for kernel in kernels if trained]
        out = convolve_mixture(leaves[0], leaves[1], leaves[2:] or kernels, geometry)
        gradients = torch.autograd.grad((out * random(*out.shape)).sum(), leaves)
        assert depthwise or gradients[0].is_contiguous(memory_format=layout)
        found.append([out.detach(), *gradients])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_what_needs_no_gradient_gets_none():
    x, shares = random(1, 3, 6, 6), torch.ones(1, 2).double()
    kernels = [random(3, 1, 3, 3), random(3, 1, 5, 5).requires_grad_()]
    convolve_mixture(x, shares, kernels, Geometry(5, 1, 1, 3, 2)).sum().backward()
    assert kernels[1].grad is not None
    assert x.grad is None
    assert shares.grad is None


def test_a_second_derivative_is_refused_not_wrong():
    x, shares = random(1, 3, 6, 6).requires_grad_(), torch.ones(1, 1).double()
    out = convolve_mixture(x, shares, [random(3, 1, 5, 5)], Geometry(5, 1, 1, 3, 2))
    (gradient,) = torch.autograd.grad((out**2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
