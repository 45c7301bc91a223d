from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nascence.errors import NascenceError
from nascence.exporting.forward import spell_out
from nascence.operations import FactorizedReduce, NormConfig
from nascence.spaces.cells import Cell

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"


def execute(module: nn.Module, *inputs: Tensor) -> Tensor:
    """What the statements compute: they are run as the body of a method."""
    forward = spell_out(module, len(inputs))
    body = "\n".join(f"    {line}" for line in forward.lines)
    names: dict[str, object] = {"torch": torch, "nn": nn}
    code = f"def forward(self, {', '.join(forward.inputs)}):\n{body}\n"
    exec(compile(code, "spelled out", "exec"), names)  # our own text, to see that it means what it says
    return names["forward"](module, *inputs)  # type: ignore[operator]


class Loop(nn.Module):
    def __init__(self, width: int, names: str = "blocks") -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList([Mix() for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        states = [x] * self.width
        for block in self.blocks:
            states.append(block(*states[-self.width :]))
        return states[-1]


class Mix(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))

    def forward(self, *xs: Tensor) -> Tensor:
        return self.weight * sum((i + 1) * x for i, x in enumerate(xs))


class Arithmetic(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        whole = x.shape[0] * 2 - 1
        return (x + y) * (x - (y - x)) / whole + torch.cat([x, y], dim=1)[:, 1:3].sum(dim=1, keepdim=True)


class TrainingOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.auxiliary = nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out = self.used(x)
        self.auxiliary(out)
        return out + self.auxiliary(out) if self.training else out


def test_a_cell_is_one_statement_a_node(make) -> None:
    network = make(text=CELL)
    cell = next(module for module in network.modules() if isinstance(module, Cell))
    forward = spell_out(cell, 1)
    assert forward.inputs == ("x0",)
    assert list(forward.lines) == [
        "x1 = self.operations[0](x0)",
        "x2 = self.operations[1](x0) + self.operations[2](x1)",
        "return self.operations[3](x0) + self.operations[4](x1) + self.operations[5](x2)",
    ]
    x = torch.rand(2, cell.operations[0][1].in_channels, 4, 4)
    assert torch.equal(execute(cell, x), cell(x))


def test_a_chain_is_a_loop(make) -> None:
    forward = spell_out(make(depth=2), 1)
    assert list(forward.lines) == [
        "x = self.stem(x)",
        "for block in self.blocks:",
        "    x = block(x)",
        "return self.classifier(self.last(x).mean(dim=(2, 3)))",
    ]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_loops_over_several_states_compute_the_same(width: int) -> None:
    module = Loop(width).eval()
    x = torch.rand(2, 3)
    assert torch.equal(execute(module, x), module(x))
    assert any(line.startswith("for block in self.blocks") for line in spell_out(module, 1).lines)


def test_an_intermediate_result_used_later_is_no_loop() -> None:
    class Skipping(Loop):
        def forward(self, x: Tensor) -> Tensor:
            early = self.blocks[0](x)
            x = self.blocks[3](self.blocks[2](self.blocks[1](early)))
            return x + early

    module, x = Skipping(1).eval(), torch.rand(2, 3)
    assert not any("for " in line for line in spell_out(module, 1).lines)
    assert torch.equal(execute(module, x), module(x))


def test_two_inputs_and_padding(make) -> None:
    reduce = FactorizedReduce(4, 6, NormConfig()).eval()
    x = torch.rand(2, 4, 7, 7)
    assert torch.equal(execute(reduce, x), reduce(x))
    assert any("nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]" in line for line in spell_out(reduce, 1).lines)


def test_precedence_is_kept() -> None:
    module, x, y = Arithmetic(), torch.rand(2, 3), torch.rand(2, 3)
    assert torch.equal(execute(module, x, y), module(x, y))


def test_what_only_training_uses_is_gone() -> None:
    forward = spell_out(TrainingOnly().eval(), 1)
    assert forward.called == {"used"}
    assert "auxiliary" not in " ".join(forward.lines)


def test_an_unknown_step_is_refused() -> None:
    class Strange(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.add(x, torch.float64) if False else x.to(torch.device("cpu"))

    with pytest.raises(NascenceError, match=r"Strange\.forward cannot be exported"):
        spell_out(Strange(), 1)
