import math

import pytest
import torch

from nascence.scores.zen import Zen


@pytest.mark.parametrize("variance", ["batch", "running"])
def test_is_the_published_formula(probe, reference, variance):
    network = reference(probe, initialisation="standard-normal")
    x, e = probe.noise(4)[0].double(), probe.noise(4, batch=1)[0].double()
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    seen = {}
    for norm in norms:
        norm.register_forward_pre_hook(lambda m, inputs: seen.setdefault(m, inputs[0]) is None or None)
    features = []
    network.last.register_forward_hook(lambda m, inputs, out: features.append(out))
    with torch.no_grad():
        network(x)
        network(x + 0.01 * e)
    expected = math.log(float((features[0] - features[1]).abs().sum((1, 2, 3)).mean()))
    assert len(norms) == len(seen) > 10
    for norm in norms:
        of_batch = seen[norm].var((0, 2, 3))
        expected += 0.5 * math.log(float((of_batch if variance == "batch" else norm.running_var).mean()))
    assert Zen(images=4, variance=variance)(probe) == pytest.approx(expected, rel=1e-4)


def test_inputs_are_standard_normal_and_new_each_draw(probe):
    x, labels = probe.noise(200)
    assert abs(float(x.mean())) < 0.02
    assert float(x.std()) == pytest.approx(1, abs=0.02)
    assert set(labels.tolist()) == {0, 1, 2, 3}
    assert not torch.equal(x, probe.noise(200, batch=1)[0])
    assert probe.noise(2, 5)[0].shape == (2, 3, 5, 5)
