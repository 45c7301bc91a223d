"""NAS-Bench-Macro: the table's parameters and FLOPs (multiply-accumulates) to the unit."""

import itertools
import random

import pytest
import torch
from torch import nn

from nascence.operations import ConvBN, InvertedResidual
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.testing import SpaceConformance

SPACE = get_space("nas-bench-macro")
TABLE = "nas-bench-macro-cifar10"


class TestNASBenchMacro(SpaceConformance):
    space = SPACE


def test_6561_networks_of_which_3969_differ():
    assert SPACE.size == 6561
    assert len({SPACE.canonical(architecture) for architecture in SPACE.enumerate()}) == 3 * 3 * (3 * (1 + 2 + 4)) ** 2


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("10000000", "10000000"), ("01110210", "01101201"), ("22212210", "22212201"), ("00120120", "00102102")],
)
def test_identities_move_to_the_front_of_their_stage(text, canonical):
    assert str(SPACE.canonical(SPACE.parse(text))) == canonical


def test_canonical_comes_first_in_enumeration():
    order = {architecture: at for at, architecture in enumerate(SPACE.enumerate())}
    assert all(order[SPACE.canonical(architecture)] <= at for architecture, at in order.items())


def test_canonical_has_bit_equal_outputs():
    x = torch.randn(2, 3, 8, 8, generator=generator(0))
    one = SPACE.parse("12101210")
    assert str(SPACE.canonical(one)) != str(one)
    networks = [SPACE.build(a, network="score", seed=3) for a in (one, SPACE.canonical(one))]
    assert torch.equal(networks[0](x), networks[1](x))


def test_blocks_by_digit():
    network = SPACE.build(SPACE.parse("01201202"))
    blocks = list(network.blocks)
    identity_at_stride, mb3, mb6 = blocks[0], blocks[1], blocks[2]
    assert isinstance(identity_at_stride, ConvBN)
    assert [type(part) for part in identity_at_stride] == [nn.Conv2d, nn.BatchNorm2d]
    assert identity_at_stride[0].stride == (2, 2)
    assert isinstance(blocks[3], nn.Identity)
    assert isinstance(blocks[6], nn.Identity)
    for block, hidden, kernel, residual in ((mb3, 3 * 64, 3, True), (mb6, 6 * 64, 5, False)):
        assert isinstance(block, InvertedResidual)
        depthwise = block.block[1][0]
        assert (depthwise.out_channels, depthwise.kernel_size[0], block.residual) == (hidden, kernel, residual)


def test_resolutions_and_widths():
    network = SPACE.build(SPACE.parse("00000000")).eval()
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    assert shapes == [(64, 16, 16)] * 2 + [(128, 8, 8)] * 3 + [(256, 4, 4)] * 3
    assert network.classifier.in_features == 1280


def test_width_scales_everything():
    network = SPACE.build(SPACE.parse("12121212"), network="score")
    assert network.stem[0].out_channels == 8
    assert network.classifier.in_features == 320


@pytest.mark.data
def test_parameters_and_macs_of_the_whole_table(table, costs):
    """Both are sums over positions, so 17 built networks give all 6,561 rows; 40 random rows check that they are."""
    columns = table(TABLE)
    rows = dict(zip(columns["arch"], zip(columns["params"], columns["flops"], strict=True), strict=True))
    assert set(rows) == {str(architecture) for architecture in SPACE.enumerate()}

    def cost(text):
        return costs(SPACE.build(SPACE.parse(text)))

    base = cost("00000000")
    gain = {
        (at, digit): [new - old for new, old in zip(cost("0" * at + digit + "0" * (7 - at)), base, strict=True)]
        for at, digit in itertools.product(range(8), "12")
    }
    for text, published in rows.items():
        gains = [gain[at, digit] for at, digit in enumerate(text) if digit != "0"]
        assert tuple(sum(terms) for terms in zip(base, *gains, strict=True)) == published, text
    for text in random.Random(0).sample(sorted(rows), 40):
        assert cost(text) == rows[text], text


@pytest.mark.data
def test_equal_networks_have_near_equal_accuracies(table):
    """The table knows nothing of the normal form; that it agrees within training noise confirms it."""
    columns = table(TABLE)
    groups: dict[str, list[float]] = {}
    for text, accuracy in zip(columns["arch"], columns["test_acc"], strict=True):
        groups.setdefault(str(SPACE.canonical(SPACE.parse(text))), []).append(accuracy)
    spreads = [max(group) - min(group) for group in groups.values() if len(group) > 1]
    assert len(spreads) > 1000
    assert sum(spreads) / len(spreads) < 0.5
    assert max(columns["test_acc"]) - min(columns["test_acc"]) > 5
