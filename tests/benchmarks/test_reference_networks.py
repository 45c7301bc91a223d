import pytest
import torch

from nascence.benchmarks import PlainResNet, plain_resnet
from nascence.benchmarks.reference_networks import MobileNetV2, mobilenet_v2
from nascence.costs import params
from nascence.errors import SettingError


def test_parameters_of_resnet_20_by_hand():
    """Width 16, three blocks: the published 0.27 M, with projections as shortcuts."""
    stage = lambda i, o, first: 9 * i * o + 5 * 9 * o * o + 12 * o + (i * o + 2 * o if first else 0)  # noqa: E731
    expected = 3 * 16 * 9 + 32 + stage(16, 16, False) + stage(16, 32, True) + stage(32, 64, True) + 64 * 10 + 10
    assert params(PlainResNet(16)) == expected == 272474


@pytest.mark.parametrize("target", [1, 3000, 50_000, 272_474, 1e6, 5.3e6])
def test_the_width_is_the_closest(target):
    network = plain_resnet(target, in_channels=1, num_classes=7)
    with torch.device("meta"):
        others = {w: params(PlainResNet(w, 1, 7)) for w in (network.width - 1, network.width, network.width + 1) if w}
    assert params(network) == others[network.width]
    assert abs(params(network) - target) == min(abs(count - target) for count in others.values())


def test_output_shape_blocks_and_reproducibility():
    network = plain_resnet(40_000, in_channels=2, num_classes=5, blocks=1, seed=3)
    state = torch.get_rng_state()
    again = plain_resnet(40_000, in_channels=2, num_classes=5, blocks=1, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert network(torch.rand(3, 2, 9, 9)).shape == (3, 5)
    assert len(network.blocks) == 3
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    other = plain_resnet(40_000, in_channels=2, num_classes=5, blocks=1, seed=4)
    assert not torch.equal(network.stem[0].weight, other.stem[0].weight)


@pytest.mark.parametrize("target", [0, -5, float("nan")])
def test_impossible_targets(target):
    with pytest.raises(SettingError, match="positive number of parameters"):
        plain_resnet(target)


def test_parameters_of_mobilenet_v2_as_published():
    """At full width with 10 classes: the well-known 3,504,872 less 990 classes of 1,281 parameters each."""
    assert params(MobileNetV2(100)) == 3_504_872 - 990 * 1281 == 2_236_682


@pytest.mark.parametrize("target", [50_000, 300_000, 1e6])
def test_the_width_of_mobilenet_v2_is_the_closest(target):
    network = mobilenet_v2(target)
    with torch.device("meta"):
        others = {w: params(MobileNetV2(w)) for w in (network.width - 1, network.width + 1)}
    assert abs(params(network) - target) <= min(abs(count - target) for count in others.values())
    assert abs(params(network) / target - 1) < 0.05


def test_mobilenet_v2_keeps_the_resolution_of_small_images_longer():
    network = mobilenet_v2(30_000, in_channels=1, num_classes=4, seed=1).eval()
    sizes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, args, out: sizes.append(out.shape[-1]))
    assert network(torch.rand(2, 1, 16, 16)).shape == (2, 4)
    assert (len(sizes), sizes[0], sizes[3], sizes[6], sizes[-1]) == (17, 16, 8, 4, 2)
    with pytest.raises(SettingError, match="positive number"):
        mobilenet_v2(0)
