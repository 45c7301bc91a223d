"""The DARTS space: published cells by their parameter counts, text, macro-architecture, auxiliary head."""

import dataclasses

import pytest
import torch
from torch import nn

from nascence.errors import ArchitectureError, SettingError
from nascence.operations import FactorizedReduce, build_operation
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.stacks import AuxiliaryHead
from nascence.testing import CellSpaceConformance

SPACE = get_space("darts")
SHORT = {
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
    "max": "max_pool_3x3",
    "avg": "avg_pool_3x3",
    "skip": "skip_connect",
}
CELLS = {  # normal cell, reduction cell, parameters of the evaluation network for CIFAR-10 without auxiliary head
    "DARTS_V1": (
        "sep3-1 sep3-0 skip-0 sep3-1 skip-0 sep3-1 sep3-0 skip-2",
        "max-0 max-1 skip-2 max-0 max-0 skip-2 skip-2 avg-0",
        3_169_414,
    ),
    "DARTS_V2": (
        "sep3-0 sep3-1 sep3-0 sep3-1 sep3-1 skip-0 skip-0 dil3-2",
        "max-0 max-1 skip-2 max-1 max-0 skip-2 skip-2 max-1",
        3_349_342,
    ),
    "PC-DARTS": (
        "sep3-1 skip-0 sep3-0 dil3-1 sep5-0 sep3-1 avg-0 dil3-1",
        "sep5-1 max-0 sep5-1 sep5-2 sep3-0 sep3-3 sep3-1 sep3-2",
        3_634_678,
    ),
    "DrNAS": (
        "sep3-0 sep5-1 sep3-1 sep3-2 skip-0 sep3-1 sep3-2 dil5-3",
        "max-0 sep5-1 dil5-2 sep5-1 sep5-1 dil5-3 skip-4 sep5-1",
        4_099_294,
    ),
}


def genotype(name, concat="range(2, 6)"):
    pairs = []
    for cell in CELLS[name][:2]:
        words = [word.split("-") for word in cell.split()]
        pairs.append("[" + ", ".join(f"('{SHORT[operation]}', {source})" for operation, source in words) + "]")
    return f"Genotype(normal={pairs[0]}, normal_concat={concat}, reduce={pairs[1]}, reduce_concat={concat})"


V2 = SPACE.parse(genotype("DARTS_V2"))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


class TestDARTS(CellSpaceConformance):
    space = SPACE


def test_size():
    """Per cell and node: two of its predecessors, seven operations on either."""
    assert SPACE.size == (1 * 3 * 6 * 10 * 7**8) ** 2


@pytest.mark.parametrize("name", CELLS)
def test_published_parameter_counts(name):
    assert count(SPACE.build(SPACE.parse(genotype(name)))) == CELLS[name][2]


def test_supernet_parameter_count():
    """All eight operations on all 14 edges, without learned normalisation (dossier: 1,930,618)."""

    def fill(edge):
        return nn.ModuleList(
            build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm) for name in SPACE.operations
        )

    assert count(SPACE.stack(fill, SPACE.networks["search"], 3, 10)) == 1_930_618


def test_text_of_a_published_cell():
    assert str(V2) == (
        "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|"
        "+|skip_connect~0|sep_conv_3x3~1|+|skip_connect~0|dil_conv_3x3~2|"
        ";reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|"
        "+|max_pool_3x3~0|skip_connect~2|+|max_pool_3x3~1|skip_connect~2|"
    )


@pytest.mark.parametrize(
    "variant",
    [
        genotype("DARTS_V2", "[2, 3, 4, 5]"),
        genotype("DARTS_V2").replace("'", '"'),
        genotype("DARTS_V2").replace(" ", ""),
        genotype("DARTS_V2").replace(", ", ",\n    "),
        "DARTS_V2 = " + genotype("DARTS_V2"),
        genotype("DARTS_V2").replace(", normal_concat=range(2, 6)", "").replace(", reduce_concat=range(2, 6)", ""),
        str(V2).replace("|skip_connect~0|sep_conv_3x3~1|", "|sep_conv_3x3~1|skip_connect~0|"),
    ],
)
def test_reads_the_fields_genotypes(variant):
    assert SPACE.parse(variant) == V2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (genotype("DARTS_V2", "range(3, 6)"), "expected the form"),
        (genotype("DARTS_V2").replace("('dil_conv_3x3', 2)", "('dil_conv_3x3')"), "expected the form"),
        (genotype("DARTS_V2").replace(", ('dil_conv_3x3', 2)", ""), "expected the form"),
        (genotype("DARTS_V2").replace("dil_conv_3x3", "none"), "'none' is no option"),
        (genotype("DARTS_V2").replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)"), "two different"),
        (genotype("DARTS_V2").replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"), "node 5 of the normal cell"),
        (genotype("DARTS_V2").replace("reduce=", "reduced="), "expected the form"),
        (str(V2) + "x", "expected the form"),
        ("ab" + str(V2), "expected the form"),
        (str(V2).replace("normal:", "normal:x"), "'xx' is no option|expected the form"),
        (str(V2).replace("+", "", 1), "expected the form"),
        (str(V2).split(";")[0], "expected the form"),
        (str(V2).replace("skip_connect~0", "none~0"), "'none' is no option"),
    ],
)
def test_other_text_is_refused(text, message):
    with pytest.raises(ArchitectureError, match=message):
        SPACE.parse(text)


def test_edges_of_a_published_cell():
    cells = SPACE.edge_operations(V2)
    named = {kind: {SPACE.shape.edges[at]: op for at, op in cell.items()} for kind, cell in cells.items()}
    assert named["normal"][2, 5] == "dil_conv_3x3"
    assert (2, 4) not in named["normal"]
    assert named["reduce"][2, 5] == "skip_connect"
    assert all(len([edge for edge in cell if edge[1] == node]) == 2 for cell in named.values() for node in range(2, 6))


def test_evaluation_network_reduces_at_one_and_two_thirds():
    network = SPACE.build(V2).eval()
    assert len(network.cells) == 20
    assert [at for at, cell in enumerate(network.cells) if cell.kind == "reduce"] == [6, 13]
    assert [at for at, cell in enumerate(network.cells) if isinstance(cell.preprocess[0], FactorizedReduce)] == [7, 14]
    shapes = []
    for cell in network.cells:
        cell.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, 16, 16))
    assert shapes == [(144, 16, 16)] * 6 + [(288, 8, 8)] * 7 + [(576, 4, 4)] * 7


@pytest.mark.parametrize(("depth", "reductions"), [(1, [0]), (2, [1]), (3, [1, 2]), (8, [2, 5]), (14, [4, 9])])
def test_reductions_by_depth(depth, reductions):
    network = SPACE.build(V2, network=NetworkConfig(channels=2, depth=depth))
    assert [at for at, cell in enumerate(network.cells) if cell.kind == "reduce"] == reductions
    assert network.eval()(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("size", [7, 9, 10])
def test_odd_resolutions_pass_both_reductions(size):
    network = SPACE.build(V2, network=NetworkConfig(channels=4, depth=6))
    assert network(torch.randn(2, 3, size, size, generator=generator(0))).shape == (2, 10)


def test_only_supernets_know_none():
    assert SPACE.operations[0] == "none"
    assert all("none" not in choice.options for choice in SPACE.choices)


def test_auxiliary_head_speaks_only_in_training():
    config = NetworkConfig(channels=4, depth=6, auxiliary=True)
    network = SPACE.build(V2, network=config, num_classes=5)
    plain = SPACE.build(V2, network=dataclasses.replace(config, auxiliary=False), num_classes=5)
    x = torch.randn(3, 3, 32, 32, generator=generator(0))
    logits, auxiliary = network.train()(x)
    assert logits.shape == auxiliary.shape == (3, 5)
    auxiliary.sum().backward()
    reached = {
        int(name.split(".")[1]) for name, p in network.named_parameters() if "cells" in name and p.grad is not None
    }
    assert reached == {0, 1, 2, 3, 4}, "the head stands after the cell at two thirds"
    assert network.eval()(x).shape == (3, 5)
    assert plain.train()(x).shape == (3, 5)


def test_auxiliary_head_pools_eight_by_eight_as_the_paper():
    head = AuxiliaryHead(6, 10).eval()
    x = torch.randn(2, 6, 8, 8, generator=generator(0))
    windows = [[x.relu()[:, :, i : i + 5, j : j + 5].mean(dim=(2, 3)) for j in (0, 3)] for i in (0, 3)]
    pooled = torch.stack([torch.stack(row, dim=-1) for row in windows], dim=-2)
    torch.testing.assert_close(head(x), head.classifier(head.features(pooled).flatten(1)))
    assert count(head) == 6 * 128 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + 768 * 10 + 10


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 9), (14, 14)])
def test_auxiliary_head_takes_other_resolutions(size):
    assert AuxiliaryHead(6, 10)(torch.randn(2, 6, *size, generator=generator(0))).shape == (2, 10)


def test_stem_width_is_three_times_the_cells_unless_given():
    assert SPACE.build(V2, network=NetworkConfig(channels=5, depth=2)).stem[0].out_channels == 15
    assert SPACE.build(V2, network="score").stem[0].out_channels == 1
    without = SPACE.build(V2, network="regions", in_channels=3)
    assert isinstance(without.stem, nn.Identity)
    assert without.eval()(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_stages_cannot_be_set():
    with pytest.raises(SettingError, match="fixed number of stages; leave stages at 3"):
        SPACE.build(V2, network=NetworkConfig(channels=4, depth=3, stages=2))
