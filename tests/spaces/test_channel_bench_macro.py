"""Channel-Bench-Macro, MobileNet: the table's parameters and FLOPs (multiply-accumulates) to the unit."""

import random

import pytest
import torch

from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature
from nascence.testing import RelaxableSpaceConformance, SpaceConformance

SPACE = get_space("channel-bench-macro-mobilenet")


class TestChannelBenchMacroMobileNet(SpaceConformance, RelaxableSpaceConformance):
    space = SPACE
    supernet_size = "search-small"
    relaxed = 3


def by_formula(text):
    """(parameters, MACs) of the benchmark's network, written out; s, t: added widths, a to d: hidden, f: features."""
    s, a, b, c, t, d, f = (int(q) * w // 4 for q, w in zip(text, (128, 768, 768, 768, 256, 1536, 1024), strict=True))
    layers = [(27, s, 16)]  # weights per output channel, output channels, output resolution
    for before, hidden, after, res_in, res_out in (
        (s, a, s, 16, 16),
        (s, b, s, 16, 16),
        (s, c, t, 16, 8),
        (t, d, t, 8, 8),
    ):
        layers += [(before, hidden, res_in), (9, hidden, res_out), (hidden, after, res_out)]
    layers.append((t, f, 8))
    params = sum(weights * out + 2 * out for weights, out, _ in layers) + 10 * f + 10
    return params, sum(weights * out * res**2 for weights, out, res in layers) + 10 * f


def test_16384_networks():
    assert SPACE.size == 4**7


@pytest.mark.parametrize("text", ["1111111", "4444444", "1234123", "4321432", "1444444", "4444144"])
def test_network_follows_the_formula(text, costs):
    assert costs(SPACE.build(SPACE.parse(text))) == by_formula(text)


@pytest.mark.data
def test_parameters_and_macs_of_the_whole_table(table, costs):
    """All rows by the formula, 40 random ones by building."""
    columns = table("channel-bench-macro-mobilenet")
    rows = dict(zip(columns["arch"], zip(columns["params"], columns["flops"], strict=True), strict=True))
    assert set(rows) == {str(architecture) for architecture in SPACE.enumerate()}
    wrong = [text for text, published in rows.items() if by_formula(text) != published]
    assert not wrong
    for text in random.Random(0).sample(sorted(rows), 40):
        assert costs(SPACE.build(SPACE.parse(text))) == rows[text], text


def test_answers_are_the_fields_fractions():
    architecture = SPACE.parse("4321432")
    assert architecture.answers == ("1.0", "0.75", "0.5", "0.25", "1.0", "0.75", "0.5")
    assert architecture.to_dict()["choices"]["block3/out"] == "1.0"


def test_strides_and_residuals():
    network = SPACE.build(SPACE.parse("4444444")).eval()
    assert [block.residual for block in network.blocks] == [True, True, False, True]
    shapes = []
    for block in [network.stem, *network.blocks]:
        block.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    assert shapes == [(128, 16, 16)] * 3 + [(256, 8, 8)] * 2


def test_reduction_is_never_a_residual_even_at_equal_widths():
    network = SPACE.build(SPACE.parse("4444244"))
    assert network.blocks[1].block[2][0].out_channels == network.blocks[2].block[2][0].out_channels == 128
    assert not network.blocks[2].residual


def test_width_scales_everything_and_must_be_a_multiple_of_four():
    architecture = SPACE.sample(generator(0))
    small = SPACE.build(SPACE.parse("4444444"), network="score")
    assert small.stem[0].out_channels == 16
    assert small.classifier.in_features == 128
    with pytest.raises(SettingError, match="6 is no multiple of 4"):
        SPACE.build(architecture, network=NetworkConfig(channels=6))


def test_expected_costs_of_the_supernet_follow_the_formula_at_one_hot_weights():
    supernet = SPACE.supernet(SPACE.networks["search"], Signature("images", 3, 10, (32, 32)))
    for text in ("1111111", "4444444", "1234123", "4321432"):
        weights = SPACE.one_hot(SPACE.parse(text))
        params, macs = by_formula(text)
        assert float(supernet.expected("params", weights)) == params
        assert float(supernet.expected("flops", weights)) == 2 * macs


def test_expected_costs_without_affine_normalisation(costs):
    size = NetworkConfig(channels=16, affine=False)
    supernet = SPACE.supernet(size, Signature("images", 3, 10, (32, 32)))
    architecture = SPACE.parse("1234123")
    expected = float(supernet.expected("params", SPACE.one_hot(architecture)))
    assert expected == costs(SPACE.build(architecture, network=size))[0]


def test_supernet_refuses_what_a_chain_does_not_have():
    with pytest.raises(SettingError, match="depth"):
        SPACE.supernet(NetworkConfig(channels=16, depth=2), Signature("images", 3, 10, (32, 32)))
