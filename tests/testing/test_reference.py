"""The definitions themselves, on cases small enough to solve by hand."""

import math

import pytest
import torch
from torch import nn

from nascence.spaces import get_space
from nascence.supernets.cells import CellSupernet
from nascence.testing import reference
from nascence.testing.reference import ObviousSupernet, per_edge

SPACE = get_space("nas-bench-201")
CONFIG = SPACE.networks["score"]


def test_kernel_of_a_linear_model():
    x = torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    K = reference.class_summed_kernel(nn.Linear(3, 1), x)
    torch.testing.assert_close(K, x @ x.T)
    assert reference.condition_number(K) == pytest.approx(9)


def test_regions_of_one_relu():
    x = torch.tensor([-2.0, -1.0, 1.0, 2.0])[:, None, None, None]
    assert reference.count_regions(nn.ReLU(), [x]) == reference.count_regions(nn.ReLU(), x.split(2)) == 2
    assert reference.count_regions(nn.ReLU(), [x[:2]]) == 1


def test_trace_and_gradient_norm_of_linear_models():
    x = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    assert reference.kernel_trace(nn.Linear(2, 3, bias=False), x) == pytest.approx(3 * 14)
    network = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(network.weight)  # p = 1/2: d L / d W = (p - y) x^T
    value = reference.squared_gradient_norm(network, x[:1], torch.tensor([0]))
    assert value == pytest.approx(0.5 * 0.5 * 5 * 2)
    assert network.weight.grad is None


def test_central_differences():
    at = {"x": torch.tensor([1.0, 2.0], dtype=torch.float64)}
    gradient = reference.central_differences(lambda v: float((v["x"] ** 3).sum()), at)
    torch.testing.assert_close(gradient["x"], torch.tensor([3.0, 12.0], dtype=torch.float64), rtol=1e-6, atol=0)
    assert at["x"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("log", [False, True])
def test_ranking_by_hand(log):
    """Candidate 1 lowers kappa most and costs nothing; candidates 0 and 2 tie in kappa."""
    scores = reference.te_nas_scores(
        [10.0, 10.0], [[12, 5, 12], [12, 7, 12]], [100, 100], [[90, 100, 50], [90, 100, 50]], log=log
    )
    assert scores == [1 + 1, 0 + 0, 1 + 2]


@pytest.mark.parametrize("mode", ["frozen", "eval", "train"])
def test_batch_norm_modes(mode):
    x = 3 * torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    network = nn.Sequential(nn.BatchNorm2d(2, eps=1e-12).double())
    out = reference.with_batch_norm(network, x, mode)(x)
    if mode == "eval":
        n = x.numel() // 2
        mean, var = x.mean((0, 2, 3)) * 0.1, 0.9 + 0.1 * x.var((0, 2, 3), correction=0) * n / (n - 1)
        expected = (x - mean[:, None, None]) / var.sqrt()[:, None, None]
        torch.testing.assert_close(out, expected)
    else:
        assert abs(out.mean().item()) < 1e-9
        assert out.var(correction=0).item() == pytest.approx(1.0)
    assert network[0].num_batches_tracked == 0, "the original is left alone"


def test_the_obvious_supernet_sums_operations():
    obvious = ObviousSupernet(SPACE, CONFIG).double()
    edge = next(m for m in obvious.modules() if type(m).__name__ == "_ObviousEdge")
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    edge.mixing = torch.tensor([5.0, 2.0, 0.0, 0.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(edge(x), 2 * x + 3 * edge.operations[4](x))
    edge.mixing = torch.zeros(5)
    assert torch.equal(edge(x), torch.zeros_like(x))


def test_per_edge_hands_out_every_value_once():
    supernet = CellSupernet(SPACE, CONFIG)
    numbers = per_edge(supernet, dict(supernet.named_parameters()))
    assert sum(value.numel() for value in numbers.values()) == sum(p.numel() for p in supernet.parameters())
    assert numbers.keys() == dict(ObviousSupernet(SPACE, CONFIG).named_parameters()).keys()


def test_like_takes_over_precision_and_mode():
    obvious = ObviousSupernet.like(CellSupernet(SPACE, CONFIG).double().eval(), SPACE, CONFIG)
    assert not obvious.training
    assert next(obvious.parameters()).dtype == torch.float64
    logits = obvious(torch.zeros(2, 3, 4, 4, dtype=torch.float64), {"cell": torch.full((6, 5), math.pi)})
    assert logits.shape == (2, 10)
