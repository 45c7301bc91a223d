"""PyTorch and ONNX Runtime behind one face."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nascence.costs.latency import device_name
from nascence.costs.runtimes import MODULE, RUNTIMES, SHIPPED, get_runtime, runtime_title, usual_runtime
from nascence.errors import UnknownNameError
from nascence.tasks.base import Signature


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)).eval()


def test_what_is_shipped_is_usual_where_there_is_such_a_file() -> None:
    assert RUNTIMES.names() == ["onnx", "torch"] == [SHIPPED, MODULE]
    assert usual_runtime(Signature.images()) == "onnx"
    assert usual_runtime(Signature("graph", 5, 2, (10, 20))) == "torch"
    with pytest.raises(UnknownNameError, match="Did you mean 'onnx'"):
        get_runtime("onx")


@pytest.mark.parametrize(("name", "title"), [("onnx", "ONNX Runtime"), ("torch", "PyTorch")])
@pytest.mark.parametrize("shipped", [False, True])
def test_a_call_computes_the_network(name: str, title: str, shipped: bool) -> None:
    runtime, module, x = get_runtime(name), network(), torch.rand(1, 1, 8, 8)
    assert (runtime.name, runtime.title) == (name, title)
    assert title in runtime.device()
    with runtime.ready(1) as threads:
        assert threads == 1
        result = runtime.call(module, (x,), threads, shipped=shipped)()
    computed = torch.as_tensor(result[0]) if name == "onnx" else result
    images = (x - 0.5) / 0.25 if (name, shipped) == ("onnx", True) else x  # as the exported file normalises
    assert torch.allclose(computed, module(images), atol=1e-5)


def test_several_inputs_and_one_that_is_of_no_use() -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
            return a + b

    one, two = torch.rand(1, 3), torch.rand(1, 3)
    (result,) = get_runtime("onnx").call(Sum().eval(), (one, two, torch.rand(2)), 1)()
    assert torch.allclose(torch.as_tensor(result), one + two)


def test_pytorch_is_made_ready_with_threads_and_without_gradients() -> None:
    before = torch.get_num_threads()
    with get_runtime("torch").ready(before + 1) as threads:
        assert threads == torch.get_num_threads() == before + 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    assert get_runtime("torch").device() == device_name()


def test_what_a_record_is_of() -> None:
    assert runtime_title({"runtime": "onnx"}) == "ONNX Runtime"
    assert runtime_title({}) == "PyTorch", "before there was a choice"
    assert runtime_title({"runtime": "abacus"}) == "abacus"
