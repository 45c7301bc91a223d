import math

import pytest

from nascence.scores.grad_norm import GradNorm


@pytest.mark.parametrize("initialisation", ["kaiming-fan-in", "default"])
def test_is_the_sum_of_the_layers_norms(probe, loss_gradients, initialisation):
    _, layers = loss_gradients(probe, 6, initialisation)
    norms = [math.sqrt(sum(g**2 for g in layer.weight.grad.flatten().tolist())) for layer in layers.values()]
    value = GradNorm(images=6, initialisation=initialisation)(probe)
    assert value == pytest.approx(sum(norms), rel=1e-4)
    assert value > 1.5 * math.sqrt(sum(n**2 for n in norms)), "not the norm of all parameters together"


def test_size_and_batch_are_settings(probe):
    values = {GradNorm(images=6)(probe), GradNorm(images=8)(probe), GradNorm(images=6, network="score")(probe)}
    assert len(values) == 3
