import pytest
import torch

from nascence.costs import CostModel, params
from nascence.errors import ArchitectureError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.h_das_cells import KINDS, staged
from nascence.testing.conformance import SpaceConformance

SPACE, DARTS = get_space("h-das-cells"), get_space("darts")


class TestConformance(SpaceConformance):
    space = SPACE


def test_every_stage_has_its_own_cells():
    assert [place.kind for place in staged(NetworkConfig(channels=4, depth=8))] == [
        "normal1",
        "normal1",
        "reduce1",
        "normal2",
        "normal2",
        "reduce2",
        "normal3",
        "normal3",
    ]
    assert {place.kind for place in staged(SPACE.networks["search-small"])} == set(KINDS)


def test_equal_cells_are_a_network_of_darts():
    """Check (a) of the dossier: the same function with the same weights."""
    one = DARTS.sample(generator(0))
    size = NetworkConfig(channels=4, depth=8)
    first = DARTS.build(one, network=size, seed=3).eval()
    second = SPACE.build(SPACE.equal(one), network=size, seed=3).eval()
    x = torch.randn(2, 3, 16, 16, generator=generator(1))
    with torch.no_grad():
        assert torch.equal(first(x), second(x))


def test_sizes_are_sums_over_the_five_cells():
    size = NetworkConfig(channels=4, depth=8)
    model = CostModel(SPACE, size)
    for seed in range(3):
        architecture = SPACE.sample(generator(seed))
        assert model.params(architecture) == params(SPACE.build(architecture, network=size))


def test_text():
    architecture = SPACE.sample(generator(5))
    assert SPACE.parse(str(architecture)) == architecture
    with pytest.raises(ArchitectureError, match=r"is no architecture of h-das-cells; expected normal1:"):
        SPACE.parse("normal:|skip_connect~0|")
