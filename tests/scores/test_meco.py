import numpy as np
import pytest
import torch

from nascence.scores.meco import MeCo, smallest_correlation


def smallest(features):
    rows = features.reshape(len(features), -1)
    with np.errstate(all="ignore"):
        correlation = np.nan_to_num(np.atleast_2d(np.corrcoef(rows)), nan=0.0)
    return float(np.min(np.linalg.eigvals(correlation).real))


@pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning")
@pytest.mark.parametrize("containers", [True, False])
def test_is_the_sum_over_every_module(probe, reference, containers):
    network = reference(probe)
    image = probe.noise(1, 24)[0].double()
    outputs = []
    for module in network.modules():
        module.register_forward_hook(lambda m, inputs, out: outputs.append(out))
    network(image)
    if not containers:
        outputs = list({id(out): out for out in outputs}.values())
    expected = sum(smallest(out.detach()[0].numpy()) for out in outputs)
    assert len(outputs) > 60
    assert MeCo(image_size=24, containers=containers)(probe) == pytest.approx(expected, rel=1e-3)


def test_eigenvalue_by_hand():
    x = torch.tensor([1.0, -1.0, 1.0, -1.0])
    y = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert smallest_correlation(torch.stack([x, y])) == pytest.approx(1)
    assert smallest_correlation(torch.stack([x, x + y])) == pytest.approx(1 - 0.5**0.5)
    assert smallest_correlation(torch.stack([x, 2 * x])) == pytest.approx(0, abs=1e-12)
    assert smallest_correlation(torch.stack([x, torch.ones(4)])) == 0, "a constant channel correlates with nothing"
    assert smallest_correlation(x[:, None]) == 0, "one number a channel"
    assert smallest_correlation(x[None]) == pytest.approx(1)
