import math

import pytest
import torch

from nascence.costs import params
from nascence.errors import SettingError
from nascence.scores.swap import SWAP, count_patterns


@pytest.mark.parametrize("images", [5, 12, 16, 20])
def test_counts_the_different_patterns_of_neurons(probe, reference, images):
    network = reference(probe, initialisation="standard-normal")
    patterns = set()

    def collect(module, inputs, output):
        signs = output.detach().flatten(1).sign().int()
        patterns.update(map(tuple, signs.T.tolist()))

    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(collect)
    network(probe.images(images)[0].double())
    assert len(patterns) > 25
    assert SWAP(images=images)(probe) == pytest.approx(len(patterns), rel=2e-3)


@pytest.mark.parametrize("images", [1, 8, 9, 16, 17, 70])
def test_patterns_are_columns(images):
    random = torch.Generator().manual_seed(0)
    active = torch.rand(images, 40, generator=random) > 0.3
    active = torch.cat([active, active[:, :7]], dim=1)
    assert count_patterns(active) == len({tuple(column) for column in active.T.tolist()})


def test_regularised_by_the_size_of_the_evaluation_network(probe):
    plain = SWAP(images=6)(probe)
    size = params(probe.space.build(probe.architecture, num_classes=4))
    mu, sigma = 1.1 * size, float(size) ** 2
    regularised = SWAP(images=6, mu=mu, sigma=sigma)(probe)
    assert regularised == pytest.approx(plain * math.exp(-((size - mu) ** 2) / sigma))
    assert regularised < plain


def test_there_is_no_hidden_size():
    with pytest.raises(SettingError, match="mu and sigma together"):
        SWAP(mu=1e6)
    with pytest.raises(SettingError, match="above 0"):
        SWAP(mu=1e6, sigma=0)
