"""Chain spaces: digits as text, sizes that can be set, the frame around the blocks."""

import pytest
import torch
from torch import nn

from nascence.errors import ArchitectureError, SettingError
from nascence.seeding import generator
from nascence.spaces import Chain, ChainSpace, NetworkConfig, get_space

NAMES = ["nas-bench-macro", "channel-bench-macro-mobilenet"]


@pytest.fixture(params=NAMES)
def space(request):
    return get_space(request.param)


def test_digits_are_places_of_options(space):
    assert isinstance(space, ChainSpace)
    first = str(space.first_digit)
    assert space.parse(first * len(space.choices)).answers == tuple(choice.options[0] for choice in space.choices)
    last = str(space.first_digit + len(space.choices[0].options) - 1)
    assert space.parse(last * len(space.choices)).answers == tuple(choice.options[-1] for choice in space.choices)


@pytest.mark.parametrize("text", ["", "1", "11111111111", "1a11111", "9999999", "99999999", "1-111111", "١١١١١١١"])
def test_other_text_is_quoted_with_what_was_expected(space, text):
    with pytest.raises(
        ArchitectureError, match=f"^'{text}' is no architecture of {space.name}; expected [78] digits from"
    ):
        space.parse(text)


@pytest.mark.parametrize("setting", [{"depth": 5}, {"stages": 2}, {"stem_channels": 0}, {"auxiliary": True}])
def test_what_cannot_be_set_is_refused(space, setting):
    architecture = space.sample(generator(0))
    with pytest.raises(SettingError, match=f"Networks of {space.name} have .*; leave {next(iter(setting))} at"):
        space.build(architecture, network=NetworkConfig(channels=8, **setting))


def test_norm_flags_reach_the_blocks_only(space):
    architecture = space.parse("2" * len(space.choices))
    config = NetworkConfig(channels=8, affine=False, track_running_stats=False)
    network = space.build(architecture, network=config)
    for part, plain in ((network.stem, False), (network.blocks, True), (network.head, False)):
        norms = [module for module in part.modules() if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert all((norm.weight is None) == plain == (norm.running_mean is None) for norm in norms)


def test_frame():
    chain = Chain(nn.Identity(), [nn.ReLU(), nn.Identity()], 3, 8, 5).eval()
    x = torch.randn(2, 3, 4, 4, generator=generator(0))
    features = chain.head(x.relu())
    assert features.min() >= 0
    torch.testing.assert_close(chain(x), chain.classifier(features.mean(dim=(2, 3))))
    assert chain(x).shape == (2, 5)
