from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nascence.exporting import ExportCheck, ExportError, Latency
from nascence.exporting.check import Normalised, compare, evaluating, median_ms

SHAPE = (1, 4, 4)


def total(images: Tensor) -> Tensor:
    return images.sum(dim=(1, 2, 3))[:, None].expand(-1, 3)


def test_equal_functions_differ_by_nothing() -> None:
    difference, scale = compare(total, total, SHAPE, (1, 5))
    assert difference == 0
    assert 4 < scale < 16


def test_the_largest_difference_is_told() -> None:
    difference, _ = compare(total, lambda x: total(x) + 1e-5, SHAPE, (1, 5))
    assert difference == pytest.approx(1e-5, rel=0.3)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda x: total(x) * 1.01, "differs from the original"),
        (lambda x: total(x)[:, :2], "returns"),
        (lambda x: total(x) * float("nan"), "not finite"),
        (lambda x: total(x) / 0, "not finite"),
    ],
)
def test_another_function_is_refused(other, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        compare(total, other, SHAPE, (1, 5))


def test_a_fault_at_one_batch_size_is_found() -> None:
    with pytest.raises(ExportError, match="differs"):
        compare(total, lambda x: total(x) * (2 if len(x) == 5 else 1), SHAPE, (1, 2, 5))


def test_normalisation_in_front() -> None:
    images = torch.rand(2, 2, 3, 3)
    network = Normalised(nn.Identity(), (0.5, 0.2), (2.0, 0.5))
    expected = (images - torch.tensor([0.5, 0.2]).view(2, 1, 1)) / torch.tensor([2.0, 0.5]).view(2, 1, 1)
    assert torch.equal(network(images), expected)
    assert torch.equal(Normalised(nn.Identity(), None, None)(images), images)


def test_modes_come_back() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.Dropout()).train()
    network[0].eval()
    with evaluating(network):
        assert not network[1].training
    assert [module.training for module in network.modules()] == [True, False, True]


def test_warm_up_calls_do_not_count() -> None:
    calls = []
    assert median_ms(lambda: calls.append(1), repeats=4) >= 0
    assert len(calls) == 7


def test_a_check_reads_as_text_and_as_json() -> None:
    check = ExportCheck("onnx", Path("a/m.onnx"), (1, 2), 2e-6, 7.5, (Latency("PyTorch", 1, 0, 2.126),))
    assert check.to_dict()["path"] == "m.onnx"
    assert check.to_dict()["latencies"] == (
        {"runtime": "PyTorch", "batch_size": 1, "threads": 0, "milliseconds": 2.126},
    )
    assert "largest difference 2e-06 (outputs up to 7.5) at batch sizes 1, 2" in str(check)
    assert "PyTorch: 2.13 ms per batch of 1, default threads" in str(check)
