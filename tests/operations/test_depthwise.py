import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nascence.operations.depthwise import depthwise_conv2d, is_depthwise, quick_depthwise
from nascence.seeding import generator


def tensors(channels, size, height, width, stride=1):
    shapes = [
        (3, channels, height, width),
        (channels, 1, size, size),
        (3, channels, -(-height // stride), -(-width // stride)),
    ]
    x, w, g = (torch.randn(*shape, generator=generator(at), dtype=torch.float64) for at, shape in enumerate(shapes))
    return x.requires_grad_(), w.requires_grad_(), g


@pytest.mark.parametrize(("size", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("shape", [(7, 7), (8, 5), (2, 3), (1, 1)])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_the_librarys_convolution(size, dilation, shape, stride):
    x, w, g = tensors(4, size, *shape, stride)
    ours = depthwise_conv2d(x, w, stride, dilation)
    theirs = F.conv2d(x, w, stride=stride, padding=dilation * (size // 2), dilation=dilation, groups=4)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    for one, two in zip(
        torch.autograd.grad(ours, (x, w), g, retain_graph=True),
        torch.autograd.grad(theirs, (x, w), g, retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-11)
    assert torch.autograd.grad(ours, x, g)[0].abs().max() > 0


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_gradients(stride):
    x, w, _ = tensors(2, 3, 4, 4)
    assert torch.autograd.gradgradcheck(lambda a, b: depthwise_conv2d(a, b, stride, 2), (x, w))


def test_only_what_needs_a_gradient_gets_one():
    x, w, g = tensors(4, 3, 6, 6)
    (of_weight,) = torch.autograd.grad(depthwise_conv2d(x.detach(), w), w, g)
    (of_input,) = torch.autograd.grad(depthwise_conv2d(x, w.detach()), x, g)
    both = torch.autograd.grad(depthwise_conv2d(x, w), (x, w), g)
    assert torch.equal(of_input, both[0])
    assert torch.equal(of_weight, both[1])


def test_a_networks_convolutions_for_a_while():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 5, 2, 2, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, 1, 2, 2, groups=4, bias=False),
        nn.Conv2d(4, 6, 3, 1, 1),
        nn.Conv2d(6, 6, 3, 1, 0, groups=6, bias=False),
        nn.Conv2d(6, 6, 3, 1, 1, groups=6),
    ).double()
    x = torch.randn(2, 4, 12, 12, dtype=torch.float64, generator=generator(0))
    assert [is_depthwise(layer) for layer in network] == [True, True, False, False, False]
    expected = network(x)
    gradients = torch.autograd.grad(expected.square().sum(), list(network.parameters()))
    with quick_depthwise(network):
        out = network(x)
        assert "_Depthwise" in type(network[1](network[0](x)).grad_fn).__name__
        quick = torch.autograd.grad(out.square().sum(), list(network.parameters()))
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    for one, two in zip(quick, gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-10)
    assert "_Depthwise" not in type(network[1](network[0](x)).grad_fn).__name__
    assert "forward" not in vars(network[0])
    pickle.dumps(network)
