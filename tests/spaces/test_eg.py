"""Blocks and networks: text, widths, costs to the unit, blocks with edges left out."""

import pytest
import torch
from torch import nn

from nascence.costs import CostModel, flops, params
from nascence.costs.timing import Passes
from nascence.errors import ArchitectureError, SettingError
from nascence.operations import SeparableConv
from nascence.operations.convolutions import LightSeparableConv
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.eg import KINDS, REDUCTIONS
from nascence.tasks.base import Signature
from nascence.testing import SpaceConformance

SPACE = get_space("eg")
DARTS_V2 = (
    "|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|"
    "+|skip_connect~0|dil_conv_3x3~2|"
)
DARTS_V2_REDUCE = (
    "|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|+|max_pool_3x3~0|skip_connect~2|"
    "+|max_pool_3x3~1|skip_connect~2|"
)


class TestEG(SpaceConformance):
    space = SPACE


class TestOneInput(SpaceConformance):
    space = get_space("eg-one-input")


def written(width=16, blocks="2,2,2", widen="2,2", normal=DARTS_V2, reduce=DARTS_V2_REDUCE):
    cells = ";".join(f"{kind}:{reduce if kind in REDUCTIONS else normal}" for kind in KINDS)
    return SPACE.parse(f"width={width};blocks={blocks};widen={widen};{cells}")


def expected_params(architecture, classes=10):
    """The published formulas, cell by cell; nothing is built."""
    width, *rest = architecture.answers[:6]
    depths, widen = [int(n) for n in rest[:3]], [float(m) for m in rest[3:]]
    _, inner = SPACE.split(architecture)
    chosen = SPACE.cells(architecture.answers[:6]).edge_operations(inner)
    edges = SPACE.shape.edges

    def even(value):
        return 2 * int(value / 2 + 0.5)

    c = int(width)
    total, before, last = 27 * 3 * c + 6 * c, 3 * c, 3 * c
    stack = []
    for at in range(3):
        stack += [(f"stage{at + 1}", c, False)] * depths[at]
        if at < 2:
            c = even(c * widen[at])
            stack.append((f"reduce{at + 1}", c, True))
    for kind, c, reduction in stack:
        total += before * c + 2 * c + last * c + 2 * c
        for at, operation in chosen[kind].items():
            shrinks = reduction and edges[at][0] < 2
            k = 5 if operation.endswith("5x5") else 3
            if operation.startswith("sep"):
                total += 2 * (c * k * k + c * c) + 4 * c
            elif operation.startswith("dil"):
                total += c * k * k + c * c + 2 * c
            elif operation == "skip_connect" and shrinks:
                total += c * c + 2 * c
        before, last = last, 4 * c
    return total + last * classes + classes


def test_parameters_follow_the_formulas():
    draws = generator(0)
    for _ in range(20):
        architecture = SPACE.sample(draws)
        assert params(SPACE.build(architecture)) == expected_params(architecture)


@pytest.mark.parametrize("name", ["eg", "eg-light", "eg-one-input"])
@pytest.mark.parametrize("input_shape", [(3, 32, 32), (1, 9, 13), (3, 2, 2)])
def test_counts_are_those_of_the_built_network(name, input_shape):
    space = get_space(name)
    model = CostModel(space, NetworkConfig(channels=6), Signature.images(input_shape, 7))
    draws = generator(1)
    for _ in range(3):
        architecture = space.sample(draws)
        network = space.build(
            architecture, network=NetworkConfig(channels=6), in_channels=input_shape[0], num_classes=7
        )
        assert model.networks.count("params", architecture) == params(network)
        assert model.networks.count("flops", architecture) == flops(network, input_shape)


def test_counting_a_thousand_architectures_counts_few_pieces():
    networks = CostModel(SPACE, SPACE.networks["evaluation"]).networks
    draws = generator(2)
    counts = {networks.count("params", SPACE.sample(draws)) for _ in range(300)}
    assert len(counts) > 290
    assert len(networks._pieces) < 3000


def test_latency_is_the_sum_of_pieces_that_are_measured_once(monkeypatch):
    def times(self, modules, **options):
        return [Passes((float(module(*inputs).numel()),) * 9) for module, inputs in modules]

    monkeypatch.setattr("nascence.costs.networks.Networks.times", times)
    model = CostModel(SPACE, NetworkConfig(channels=4), Signature.images((3, 8, 8)), threads=1, runtime="torch")
    small, large = written(12, "1,1,1", "1.5,1.5"), written(12, "2,1,1", "1.5,1.5")
    assert not model.adds_up("latency_ms")
    assert 0 < model.cost("latency_ms", small) < model.cost("latency_ms", large)
    block = 4 * 8 * 8  # every adapter and operation of a block at the first stage's width
    assert model.cost("latency_ms", large) - model.cost("latency_ms", small) >= 2 * block


def test_a_published_cell_has_its_published_parameters():
    """DARTS_V2 at 36 channels and 20 cells: 3,349,342."""
    blocks = SPACE.block_search()
    architecture = blocks.parse(f"normal:{DARTS_V2};reduce:{DARTS_V2_REDUCE}")
    with torch.device("meta"):
        network = blocks.assemble(architecture, NetworkConfig(channels=36, depth=20), Signature.images())
    assert params(network) == 3_349_342


@pytest.mark.parametrize(
    ("width", "cells", "millions"), [(12, "2,2,2", 0.145), (16, "2,2,2", 0.246), (24, "6,6,6", 1.533)]
)
def test_where_a_million_lies(width, cells, millions):
    """The dossier's table is of reductions at a third and two thirds of 8 and of 20 cells."""
    assert params(SPACE.build(written(width, cells))) / 1e6 == pytest.approx(millions, rel=0.02)


def test_widths_are_even_and_depths_as_written():
    network = SPACE.build(written(14, "1,3,2", "1.5,1.5"))
    assert [cell.kind for cell in network.cells] == ["stage1", "reduce1", *["stage2"] * 3, "reduce2", *["stage3"] * 2]
    widths = [cell.preprocess[1][1].out_channels for cell in network.cells]
    assert widths == [14, 22, 22, 22, 22, 34, 34, 34]  # 14 x 1.5 = 21 -> 22, 22 x 1.5 = 33 -> 34


def test_channels_scale_all_widths():
    network = SPACE.build(written(16, "1,1,1", "2,2"), network=NetworkConfig(channels=8))
    assert [cell.preprocess[1][1].out_channels for cell in network.cells] == [8, 16, 16, 32, 32]


@pytest.mark.parametrize(("name", "value"), [("depth", 3), ("stages", 2)])
def test_what_the_architecture_says_no_size_says(name, value):
    with pytest.raises(SettingError, match=f"leave {name} at"):
        SPACE.build(written(), network=NetworkConfig(channels=8, **{name: value}))


def test_an_auxiliary_head_stands_behind_the_second_reduction():
    network = SPACE.build(written(12, "1,2,1"), network=NetworkConfig(channels=4, auxiliary=True)).train()
    assert network.cells[network.auxiliary_after].kind == "reduce2"
    main, auxiliary = network(torch.zeros(2, 3, 16, 16))
    assert main.shape == auxiliary.shape == (2, 10)


def test_none_leaves_an_edge_out():
    cheaper = written(normal=DARTS_V2.replace("|sep_conv_3x3~1|+", "|none~1|+", 1))
    full = written()
    separable = sum(n * (2 * (9 * c + c * c) + 4 * c) for n, c in ((2, 16), (2, 32), (2, 64)))
    assert params(SPACE.build(full)) - params(SPACE.build(cheaper)) == separable


def test_edges_left_out_have_one_canonical_source():
    def with_node5(node):
        return written(normal=DARTS_V2.replace("|skip_connect~0|dil_conv_3x3~2|", node))

    one, two = with_node5("|dil_conv_3x3~2|none~4|"), with_node5("|none~1|dil_conv_3x3~2|")
    assert SPACE.canonical(one) == SPACE.canonical(two) == with_node5("|none~0|dil_conv_3x3~2|")
    nothing = with_node5("|none~2|none~3|")
    assert SPACE.canonical(nothing) == with_node5("|none~0|none~1|")
    assert SPACE.canonical(written()) == written()


def test_light_blocks_have_one_convolution_where_others_have_two():
    light = get_space("eg-light")
    text = str(written()).replace("sep_conv", "light_sep_conv")
    network = light.build(light.parse(text))
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(LightSeparableConv) == 6 * 5
    assert SeparableConv not in kinds
    assert params(network) < params(SPACE.build(written()))


def test_blocks_of_one_input_see_the_last_block_only():
    space = get_space("eg-one-input")
    architecture = space.sample(generator(0))
    network = space.build(architecture)
    assert all(len(cell.preprocess) == 1 for cell in network.cells)
    assert not any(isinstance(cell.preprocess[0], nn.Identity) for cell in network.cells)
    assert "stage1:|" in str(architecture)
    assert str(architecture).split("stage1:")[1].split("+")[0].count("~") == 1, "the first node has one predecessor"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("width=16", "width=17"), "17"),
        (("blocks=2,2,2", "blocks=2,7,2"), "7"),
        (("widen=2,2", "widen=2,3"), "3"),
        (("stage2:", "stage4:"), "stage4"),
        (("skip_connect~0", "skip_connect~1"), "cannot take input 1"),
        (("dil_conv_3x3", "conv_9x9"), "conv_9x9"),
    ],
)
def test_what_is_wrong_is_quoted(edit, says):
    with pytest.raises(ArchitectureError, match=says):
        SPACE.parse(str(written()).replace(*edit, 1))
