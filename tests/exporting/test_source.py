from __future__ import annotations

import ast

import pytest
import torch
from torch import Tensor, nn

from nascence.errors import NascenceError
from nascence.exporting.source import write_classes


def classes(network: nn.Module, size: int = 8, channels: int = 3) -> dict[str, ast.ClassDef]:
    text = write_classes(network.eval(), torch.zeros(2, channels, size, size), "All of it.")
    return {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


def arguments(definition: ast.ClassDef) -> list[str]:
    init = next(node for node in definition.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return [arg.arg for arg in init.args.args[1:]]


ALL_3X3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
MIXED = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"


def test_what_is_equal_everywhere_is_no_option(make) -> None:
    found = classes(make(text=ALL_3X3, stages=1))
    assert arguments(found["ReLUConvBN"]) == []  # one stage, one size of kernel: nothing is left to choose
    assert arguments(found["Network"]) == []
    assert "Zero" not in found


def test_what_differs_becomes_an_argument(make) -> None:
    found = classes(make(text=MIXED, stages=2))
    assert arguments(found["ReLUConvBN"]) == ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
    assert arguments(found["Cell"]) == ["channels"]
    assert list(found)[-1] == "Network"
    assert "Pooling" not in found  # a wrapper of one module is that module


def test_widths_in_proportion_share_an_argument(make) -> None:
    found = classes(make(text=ALL_3X3, stages=3))
    assert arguments(found["ResidualReduction"]) == ["in_channels"]
    assert "2 * in_channels" in ast.unparse(found["ResidualReduction"])


def test_kinds_of_cells_are_classes_of_their_own(make) -> None:
    found = classes(make("darts", seed=3))
    assert {"NormalCell", "ReduceCell", "FactorizedReduce"} <= set(found)
    assert "Cell" not in found
    assert "drop_path" not in ast.unparse(ast.Module(list(found.values()), []))


def test_edges_are_named_in_comments(make) -> None:
    text = write_classes(make(text=MIXED), torch.zeros(2, 3, 8, 8), "All of it.")
    assert "nn.Identity(),  # 0 -> 3" in text
    assert "Zero(channels, stride=1),  # 1 -> 3" in text
    assert '"""All of it."""' in text


def test_lines_fit_and_nothing_of_the_package_remains(make) -> None:
    for seed in range(4):
        text = write_classes(make("darts", seed=seed), torch.zeros(2, 3, 8, 8), "All of it.")
        assert max(map(len, text.splitlines())) <= 120
        assert "nascence" not in text
        assert "NormConfig" not in text


def test_an_auxiliary_head_is_left_out(make) -> None:
    from nascence.spaces import NetworkConfig, get_space

    space = get_space("darts")
    architecture = space.sample(torch.Generator().manual_seed(0))
    network = space.build(architecture, network=NetworkConfig(channels=4, depth=3, auxiliary=True))
    found = classes(network, size=32)
    assert "AuxiliaryHead" not in found
    assert "auxiliary" not in ast.unparse(found["Network"])


class Scaled(nn.Module):
    """Has a parameter beside its children."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.convolution = nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x).mean((2, 3)) * self.scale


class Forgetful(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Forgetful(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@pytest.mark.parametrize(("network", "words"), [(Scaled(), "cannot be exported"), (Holder(), "argument 'width'")])
def test_what_cannot_be_written_is_refused(network: nn.Module, words: str) -> None:
    with pytest.raises(NascenceError, match=words):
        classes(network)


def test_the_network_is_left_as_it_was(make) -> None:
    network = make()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    classes(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())
