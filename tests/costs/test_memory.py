import pytest
import torch
from torch import nn

from nascence.costs import CostModel, memory_mib
from nascence.costs.memory import MIB, peak_bytes, trace
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature


def slow_peak(touched, sizes):
    """The definition, moment by moment: what has been made by now and is still to be touched is alive."""
    worst = 0
    for now in range(len(touched)):
        made = {storage for step in touched[: now + 1] for storage in step}
        needed = {storage for step in touched[now:] for storage in step}
        worst = max(worst, sum(sizes[storage] for storage in made & needed))
    return worst


class Residual(nn.Module):
    """x is alive through both convolutions: three tensors at the addition."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return x + self.second(self.first(x))


class Wide(nn.Module):
    """Two branches of different width; the wide one is done before the narrow one begins."""

    def forward(self, x):
        wide = torch.cat([x, x, x, x], dim=1).sum(dim=1, keepdim=True)
        return wide + x


BYTES = 4 * 8 * 8 * 4  # 4 channels of 8 x 8 floats


def test_by_hand():
    chain = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 1))
    assert memory_mib(chain, (4, 8, 8)) * MIB == 3 * BYTES, "the last convolution: its input and twice as much"
    assert memory_mib(Residual(), (4, 8, 8)) * MIB == 3 * BYTES
    # x, four times x and their sum
    assert memory_mib(Wide(), (4, 8, 8)) * MIB == 5 * BYTES + BYTES / 4


def test_in_place_and_views_are_free():
    plain = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten())
    in_place = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True), nn.Flatten())
    assert memory_mib(plain, (4, 8, 8)) * MIB == 2 * BYTES
    assert memory_mib(in_place, (4, 8, 8)) * MIB == 2 * BYTES
    assert memory_mib(nn.Identity(), (4, 8, 8)) * MIB == BYTES


def test_weights_and_state_do_not_count_and_are_not_touched():
    module = nn.Sequential(nn.Flatten(), nn.Linear(256, 1000), nn.BatchNorm1d(1000), nn.Linear(1000, 2))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.train()
    assert memory_mib(module, (4, 8, 8)) * MIB == 4 * (1000 + 1000)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert next(module.parameters()).device.type == "cpu"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nas-bench-201", NetworkConfig(channels=4, depth=1)),
        ("darts", NetworkConfig(channels=4, depth=3)),
        ("nas-bench-macro", NetworkConfig(channels=4)),
    ],
)
def test_one_pass_is_the_definition(name, size):
    space = get_space(name)
    model = CostModel(space, size, Signature.images((3, 16, 16)))
    peaks = set()
    for at in range(4):
        architecture = space.sample(generator(at))
        with torch.device("meta"):
            module = space.assemble(architecture, size, Signature.images())
        touched, sizes = trace(module, (3, 16, 16))
        assert len(touched) > 20
        assert peak_bytes(touched, sizes) == slow_peak(touched, sizes)
        peaks.add(peak_bytes(touched, sizes))
        assert model.cost("memory_mib", architecture) * MIB == peak_bytes(touched, sizes)
        real = space.build(architecture, network=size)
        assert memory_mib(real, (3, 16, 16)) * MIB == peak_bytes(touched, sizes)
    assert len(peaks) > 1 or name == "darts"


def test_memory_is_no_sum():
    space = get_space("nas-bench-201")
    model = CostModel(space, NetworkConfig(channels=4, depth=1), Signature.images((3, 8, 8)))
    assert not model.adds_up("memory_mib")
    with pytest.raises(SettingError, match="no sum"):
        model.prices("memory_mib")
    with pytest.raises(SettingError, match="no sum"):
        model.expected("memory_mib", {choice.name: torch.ones(5) / 5 for choice in space.choices})
