"""Costs by hand."""

import pytest
import torch
from torch import nn

from nascence.spaces.own import OwnSpace
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 4, 4), 5)


class Small(nn.Module):
    """A convolution to 8 channels with normalisation, a residual one, a classifier."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.body, self.last = nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.stem(x))
        return self.last((x + self.body(x)).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return OwnSpace(trace(Small(), IMAGES).network, IMAGES)


@pytest.mark.parametrize(
    ("width", "kept", "there"), [("1/2", "keep", 1), ("1/2", "skip", 0), ("1", "keep", 1), ("1/8", "skip", 0)]
)
def test_sums_of_products(small, width, kept, there):
    channels = {"1/8": 1, "1/2": 4, "1": 8}[width]
    architecture = small.architecture([width, kept])
    supernet, weights = small.supernet(None, IMAGES), small.one_hot(architecture)
    params = 27 * channels + 2 * channels + there * (channels**2 + channels) + 5 * channels + 5
    flops = 2 * 16 * 27 * channels + there * 2 * 16 * channels**2 + 2 * 5 * channels
    assert float(supernet.expected("params", weights)) == params
    assert float(supernet.expected("flops", weights)) == flops


def test_a_mean_over_draws_is_exact(small):
    """Half of the width 1/2 and half of 1, the branch kept in a quarter: the square's mean is that of the squares."""
    weights = {g.name: torch.zeros(g.shape) for g in small.groups}
    width = next(g for g in small.groups if g.role == "width")
    weights[width.name][0, [width.options.index("1/2"), width.options.index("1")]] = 0.5
    weights["branch"][0] = torch.tensor([0.25, 0.75])
    expected = 34 * 6 + 0.25 * ((16 + 64) / 2 + 6) + 5
    assert float(small.supernet(None, IMAGES).expected("params", weights)) == pytest.approx(expected)


def test_costs_by_choice_are_the_same(small):
    terms = small.cost_terms(None, IMAGES)
    names = {choice.name for choice in small.choices}
    assert {name for part in terms["params"] for name, _ in part.rows} <= names
    assert small.cost_terms(None, Signature.images((3, 8, 8), 5)) is None, "known for one size of images"
