"""NAS-Bench-201: the benchmark's own numbers, order, text and normal form."""

import pytest
import torch
from torch import nn

from nascence.errors import ArchitectureError, SettingError
from nascence.operations import build_operation
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.nas_bench_201 import ResidualReduction
from nascence.testing import CellSpaceConformance

SPACE = get_space("nas-bench-201")
FORM = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
ANCHORS = {
    0: ("avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_1x1", "skip_connect", "skip_connect"),
    9: ("avg_pool_3x3", "none", "none", "skip_connect", "none", "nor_conv_3x3"),
    123: ("avg_pool_3x3", "avg_pool_3x3", "nor_conv_1x1", "none", "avg_pool_3x3", "nor_conv_3x3"),
    9930: ("nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_3x3"),
    1835: ("skip_connect",) * 6,
    1462: ("nor_conv_3x3",) * 6,
    4317: ("nor_conv_1x1",) * 6,
    7581: ("avg_pool_3x3",) * 6,
    1651: ("none",) * 6,
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


class TestNASBench201(CellSpaceConformance):
    space = SPACE


@pytest.mark.parametrize(("index", "answers"), ANCHORS.items())
def test_index_anchors(index, answers):
    architecture = SPACE.from_index(index)
    assert architecture.answers == answers
    assert str(architecture) == FORM.format(*answers)
    assert SPACE.index(architecture) == index


def test_skip_except_one_none():
    answers = SPACE.from_index(2299).answers
    assert sorted(answers) == ["none"] + ["skip_connect"] * 5


@pytest.mark.parametrize("index", [-1, 15625, 10**9])
def test_index_out_of_range(index):
    with pytest.raises(ArchitectureError, match=f"has indices 0 to 15624, not {index}"):
        SPACE.from_index(index)


def test_all_strings_and_indices_round_trip():
    texts = set()
    for index in range(15625):
        architecture = SPACE.from_index(index)
        text = str(architecture)
        assert SPACE.parse(text) == architecture
        assert SPACE.index(architecture) == index
        texts.add(text)
    assert len(texts) == SPACE.size == 15625


@pytest.mark.data
def test_order_and_text_are_the_tables(table):
    columns = table("nas-bench-201")
    assert columns["index"] == list(range(15625))
    assert columns["arch"] == [str(SPACE.from_index(index)) for index in range(15625)]
    accuracy, second = columns["cifar10_test_acc_200ep"], columns["cifar100_test_acc_200ep"]
    assert max(range(15625), key=second.__getitem__) == 9930
    assert {6111, 13714} == {index for index, value in enumerate(accuracy) if value > 94.37}
    without_path = {index for index, value in enumerate(accuracy) if round(value, 4) == 10}
    assert len(without_path) == 341
    assert without_path == {index for index in range(15625) if not has_path(SPACE.from_index(index).answers)}


def has_path(answers):
    reached = {0}
    for (source, target), operation in zip(SPACE.shape.edges, answers, strict=True):
        if source in reached and operation != "none":
            reached.add(target)
    return 3 in reached


def test_6466_normal_forms():
    forms = {SPACE.canonical(architecture) for architecture in SPACE.enumerate()}
    assert len(forms) == 6466
    assert all(SPACE.canonical(form) == form for form in forms)


def test_normal_form_comes_first_in_enumeration():
    order = {architecture: at for at, architecture in enumerate(SPACE.enumerate())}
    assert all(order[SPACE.canonical(architecture)] <= at for architecture, at in order.items())


def test_normal_form_sees_through_skips_and_zeros():
    def form(*answers):
        return SPACE.canonical(SPACE.architecture(answers))

    conv, skip, none = "nor_conv_3x3", "skip_connect", "none"
    assert form(none, conv, conv, conv, none, none) == form(none, conv, none, conv, conv, none), "node 1 is zero"
    assert form(conv, skip, none, none, none, conv) == form(skip, skip, none, none, none, conv), "node 1 is unused"
    assert form(skip, none, conv, none, none, skip) == form(none, conv, none, none, none, skip), "a skip renames"
    assert form(skip, none, conv, none, none, skip) != form(skip, none, conv, none, none, conv)
    assert SPACE.parse(FORM.format(*[none] * 6)) == form(*[none] * 6)


@pytest.mark.parametrize(("index", "parameters"), [(1835, 73_306), (1, 802_426), (9930, 1_288_506), (1462, 1_531_546)])
def test_published_parameter_counts(index, parameters):
    assert count(SPACE.build(SPACE.from_index(index))) == parameters


def test_classifier_follows_the_classes():
    best = SPACE.from_index(9930)
    assert count(SPACE.build(best, num_classes=100)) - count(SPACE.build(best, num_classes=10)) == 90 * 65


def test_supernet_parameter_count():
    """All five operations on every edge, without learned normalisation inside cells (dossier: 1,686,106)."""

    def fill(edge):
        return nn.ModuleList(
            build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm) for name in SPACE.operations
        )

    assert count(SPACE.stack(fill, SPACE.networks["search"], 3, 10)) == 1_686_106


def test_seventeen_blocks_with_halving_resolution():
    network = SPACE.build(SPACE.from_index(9930)).eval()
    assert len(network.blocks) == 17
    assert [at for at, block in enumerate(network.blocks) if isinstance(block, ResidualReduction)] == [5, 11]
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    assert shapes == [(16, 32, 32)] * 5 + [(32, 16, 16)] * 6 + [(64, 8, 8)] * 6


def test_ends_in_normalisation_relu_pooling_and_classifier():
    network = SPACE.build(SPACE.from_index(1651)).eval()
    features = {}
    network.last.register_forward_hook(lambda module, args, out: features.update(out=out))
    logits = network(torch.randn(2, 3, 8, 8, generator=generator(0)))
    assert features["out"].min() >= 0
    torch.testing.assert_close(logits, network.classifier(features["out"].mean(dim=(2, 3))))
    assert torch.equal(logits[0], logits[1]), "without a path the input has no effect"


@pytest.mark.parametrize("size", [8, 7, 1])
def test_residual_reduction_adds_both_ways(size):
    block = ResidualReduction(4, 8).double().eval()
    x = torch.randn(2, 4, size, size, generator=generator(0), dtype=torch.float64)
    out = block(x)
    assert out.shape == (2, 8, -(-size // 2), -(-size // 2))
    torch.testing.assert_close(out, block.main(x) + block.shortcut(x))
    assert [type(part).__name__ for part in block.shortcut] == ["AvgPool2d", "Conv2d"], "no normalisation, no ReLU"
    assert count(block) == 9 * 4 * 8 + 9 * 8 * 8 + 4 * 8 + 2 * 2 * 8


def test_shortcut_averages_the_pixels_that_exist():
    block = ResidualReduction(1, 1)
    with torch.no_grad():
        block.shortcut[1].weight.fill_(1.0)
        assert block.shortcut(torch.full((1, 1, 5, 5), 3.0)).eq(3).all()


def test_flags_reach_the_cells_only():
    network = SPACE.build(SPACE.from_index(1462), network="search")
    cell_norms, other_norms = [], []
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            (cell_norms if "operations" in name else other_norms).append(module)
    assert len(cell_norms) == 15 * 6
    assert all(norm.weight is None and norm.running_mean is None for norm in cell_norms)
    assert len(other_norms) == 1 + 2 * 2 + 1
    assert all(norm.weight is not None and norm.running_mean is not None for norm in other_norms)


def test_without_a_stem_the_input_enters_the_cell():
    all_skip = SPACE.build(SPACE.from_index(1835), network="regions", in_channels=1)
    x = torch.randn(2, 1, 3, 3, generator=generator(0))
    torch.testing.assert_close(all_skip.blocks[0](all_skip.stem(x)), 4 * x)
    with pytest.raises(SettingError, match="set channels=3, not 1"):
        SPACE.build(SPACE.from_index(1835), network="regions", in_channels=3)


@pytest.mark.parametrize(("depth", "stages"), [(1, 1), (2, 3), (3, 2)])
def test_depth_counts_cells_per_stage(depth, stages):
    network = SPACE.build(SPACE.from_index(9930), network=NetworkConfig(channels=4, depth=depth, stages=stages))
    assert len(network.blocks) == depth * stages + stages - 1
    assert network.classifier.in_features == 4 * 2 ** (stages - 1)


@pytest.mark.parametrize(
    "text",
    [
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|",
        FORM.format(*["nor_conv_5x5"] * 6),
        FORM.format(*["none"] * 6).replace("~2", "~1"),
        FORM.format(*["none"] * 6).replace("+", ""),
        FORM.format(*["none"] * 6).replace("~0", "~٠"),
        FORM.format(*["none"] * 6).replace("~2", "~" + "2" * 5000),
    ],
)
def test_foreign_text_is_quoted(text):
    with pytest.raises(ArchitectureError, match="nas-bench-201"):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("setting", "message"), [({"auxiliary": True}, "no auxiliary head"), ({"stem_channels": 5}, "stem")]
)
def test_what_cannot_be_set_is_refused(setting, message):
    with pytest.raises(SettingError, match=message):
        SPACE.build(SPACE.from_index(0), network=NetworkConfig(channels=4, **setting))
