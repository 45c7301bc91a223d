import pytest
import torch
from torch import nn

from nascence.costs import flops, params
from nascence.spaces import get_space


def test_convolution_by_hand():
    conv = nn.Conv2d(3, 8, 3, padding=1)
    assert params(conv) == 3 * 8 * 9 + 8
    assert flops(conv, (3, 10, 12)) == 2 * (10 * 12) * 8 * 3 * 9  # the bias counts nothing


def test_strided_grouped_and_depthwise_convolutions_by_hand():
    assert flops(nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4), (8, 9, 9)) == 2 * (5 * 5) * 16 * 2 * 9
    depthwise = nn.Conv2d(6, 6, 5, padding=2, groups=6, bias=False)
    assert params(depthwise) == 6 * 25
    assert flops(depthwise, (6, 7, 7)) == 2 * 49 * 6 * 25


def test_linear_by_hand():
    assert params(nn.Linear(20, 5)) == 105
    assert flops(nn.Linear(20, 5), (20,)) == 2 * 20 * 5
    assert flops(nn.Linear(20, 5, bias=False), (20,)) == 2 * 20 * 5


def test_functional_convolutions_count_and_the_rest_does_not():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 2, 1, 1))
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            return nn.functional.max_pool2d(self.norm(nn.functional.conv2d(x, self.weight)).relu(), 2)

    assert flops(Functional(), (2, 6, 6)) == 2 * 36 * 4 * 2


@pytest.mark.parametrize(
    ("index", "published_params", "published_mmacs"),
    [(0, 129306, 15.64737), (11, 802426, 113.95137), (284, 101306, 11.71521)],
)
def test_published_counts_of_nas_bench_201(index, published_params, published_mmacs):
    space = get_space("nas-bench-201")
    network = space.build(space.from_index(index))
    assert params(network) == published_params
    # The benchmark adds the classifier's 10 biases to its MACs.
    assert flops(network, (3, 32, 32)) // 2 + 10 == round(published_mmacs * 1e6)


def test_counting_leaves_the_module_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    flops(network, (1, 8, 8))
    assert [module.training for module in network.modules()] == [True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert next(network.parameters()).device.type == "cpu"
