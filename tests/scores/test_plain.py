import pytest

from nascence.scores.plain import Plain
from nascence.scores.snip import SNIP


def test_is_the_signed_sum(probe, loss_gradients):
    _, layers = loss_gradients(probe, 6)
    expected = sum((layer.weight * layer.weight.grad).sum().item() for layer in layers.values())
    assert Plain(images=6)(probe) == pytest.approx(expected, rel=1e-3)
    assert abs(expected) < SNIP(images=6)(probe)


def test_layers_before_normalisation_add_nothing(probe, loss_gradients):
    _, layers = loss_gradients(probe, 6)
    normalised = [layer for name, layer in layers.items() if name.endswith("main.0.1")]
    assert len(normalised) == 2
    for layer in normalised:
        products = (layer.weight * layer.weight.grad).detach()
        assert abs(products.sum().item()) < 1e-3 * products.abs().sum().item()
