import pytest
import torch
from torch import nn

from nascence.errors import UnknownNameError
from nascence.scores.batch_norm import MODES, ScoringBatchNorm, calibrate, replace_batch_norm, set_groups
from nascence.supernets.cells.fused import FusedBatchNorm2d
from nascence.testing.reference import with_batch_norm


def calibrated(layer, x):
    calibrate(layer, layer, x.detach())
    return layer(x)


def norm(channels=3, affine=True):
    layer = nn.BatchNorm2d(channels, affine=affine).double()
    if affine:
        with torch.no_grad():
            layer.weight.uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
            layer.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(1))
    return layer


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("affine", [True, False])
def test_equals_the_librarys(mode, affine, images):
    layer, x = norm(affine=affine), images(4, 3, 5, 5).requires_grad_()
    expected = with_batch_norm(nn.Sequential(layer), x.detach(), mode)(x)
    found = calibrated(ScoringBatchNorm(layer, mode), x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    v = images(4, 3, 5, 5, seed=1)
    gradients = [torch.autograd.grad((out.sin() * v).sum(), x)[0] for out in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)


def test_frozen_has_the_values_of_train_and_another_gradient(images):
    x = images(4, 3, 5, 5).requires_grad_()
    outs = [ScoringBatchNorm(norm(), mode)(x) for mode in ("train", "frozen")]
    torch.testing.assert_close(*outs)
    gradients = [torch.autograd.grad(out.square().sum(), x)[0] for out in outs]
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize("mode", MODES)
def test_each_group_has_its_own_statistics(mode, images):
    layer, x = ScoringBatchNorm(norm(), mode), images(6, 3, 4, 4)
    x[2:4] += 5
    layer.groups = 3
    together = calibrated(layer, x)
    layer.groups = 1
    for at in range(0, 6, 2):
        torch.testing.assert_close(together[at : at + 2], calibrated(layer, x[at : at + 2]))


def test_active_copies_have_their_own_scales(images):
    whole = FusedBatchNorm2d(nn.BatchNorm2d(2), 3).double()
    with torch.no_grad():
        whole.weight.copy_(torch.arange(1.0, 7.0))
    layer = ScoringBatchNorm(whole, "frozen")
    layer.active = [2, 0]
    out = layer(images(4, 4, 5, 5))
    spread = out.transpose(0, 1).flatten(1).std(1, correction=0)
    torch.testing.assert_close(spread, torch.tensor([5.0, 6.0, 1.0, 2.0]).double(), rtol=1e-3, atol=0)


def test_constant_input_is_harmless():
    for mode in MODES:
        out = calibrated(ScoringBatchNorm(norm(), mode), torch.zeros(2, 3, 1, 1, dtype=torch.float64))
        assert out.isfinite().all()
    single = calibrated(ScoringBatchNorm(norm(), "eval"), torch.ones(1, 3, 1, 1, dtype=torch.float64))
    assert single.isfinite().all()


def test_replacing_keeps_the_parameters(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())).double()
    names, parameters = [name for name, _ in network.named_parameters()], list(network.parameters())
    assert replace_batch_norm(network, "frozen") is network
    assert [name for name, _ in network.named_parameters()] == names
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    x = images(4, 3, 5, 5)
    before = network(torch.cat([x, x + 3]))
    set_groups(network, 2)
    assert not torch.allclose(network(torch.cat([x, x + 3])), before)


def test_deep_layers_have_the_statistics_of_the_pass_in_training_mode(images):
    """Not those of a pass in which the layers before them normalise by running statistics already."""
    network = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)).double()
    x = 4 * images(4, 3, 5, 5) + 2
    expected = with_batch_norm(network, x, "eval")(x)
    replace_batch_norm(network, "eval")
    calibrate(network, network, x)
    torch.testing.assert_close(network(x), expected, rtol=1e-12, atol=1e-12)
    fresh = replace_batch_norm(nn.Sequential(nn.BatchNorm2d(3)).double(), "eval")
    with pytest.raises(AssertionError, match="calibrate"):
        fresh(x)


def test_unknown_mode():
    with pytest.raises(UnknownNameError, match="frozen"):
        replace_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), "froze")
