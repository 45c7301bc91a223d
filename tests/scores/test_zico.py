import math

import numpy as np
import pytest
import torch

from nascence.errors import SettingError
from nascence.scores.zico import ZiCo, _of_layer


@pytest.mark.parametrize("batches", [2, 3])
def test_is_mean_over_deviation_layer_by_layer(probe, loss_gradients, batches):
    runs = [loss_gradients(probe, 6, batch=batch)[1] for batch in range(batches)]
    expected = 0.0
    for name in runs[0]:
        g = np.stack([run[name].weight.grad.numpy().ravel() for run in runs])
        deviation = g.std(axis=0)
        kept = deviation > 0
        total = (np.abs(g).mean(axis=0)[kept] / deviation[kept]).sum()
        expected += math.log(total) if total else 0.0
    assert ZiCo(images=6, batches=batches)(probe) == pytest.approx(expected, rel=2e-3)


def test_layer_by_hand():
    gradients = torch.tensor([[1.0, 4.0, 2.0], [3.0, -4.0, 2.0]])
    # means 2, 4, 2; deviations 1, 4, 0 (left out)
    assert _of_layer(gradients) == pytest.approx(math.log(2 + 1))
    assert _of_layer(torch.ones(2, 3)) == 0


def test_batches_are_different_and_the_first_is_everyones(probe):
    first, second = probe.images(6)[0], probe.images(6, 1)[0]
    assert not torch.equal(first, second)
    assert probe.images(6, 0)[0] is first


def test_one_batch_is_refused():
    with pytest.raises(SettingError, match="at least 2, not 1"):
        ZiCo(batches=1)
