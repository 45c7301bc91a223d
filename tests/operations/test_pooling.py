"""Pooling: padded pixels are not counted, nothing is learned."""

import pytest
import torch

from nascence.operations import Pooling
from nascence.seeding import generator


def by_hand(x, stride, reduce):
    height, width = x.shape[-2:]
    rows = [
        torch.stack(
            [reduce(x[:, :, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].flatten(2)) for j in range(0, width, stride)],
            dim=-1,
        )
        for i in range(0, height, stride)
    ]
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(6, 6), (5, 7), (1, 2)])
@pytest.mark.parametrize(("kind", "reduce"), [("avg", lambda w: w.mean(-1)), ("max", lambda w: w.amax(-1))])
def test_by_hand(kind, reduce, size, stride):
    x = torch.randn(2, 3, *size, generator=generator(0), dtype=torch.float64) - 3
    torch.testing.assert_close(Pooling(kind, stride)(x), by_hand(x, stride, reduce))


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_constants_stay_constant_up_to_the_border(kind):
    x = torch.full((1, 2, 5, 5), -4.0)
    assert Pooling(kind, 1)(x).eq(-4).all(), "neither zeros nor their count enter from the padding"


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_has_no_parameters_and_no_statistics(kind):
    assert not Pooling(kind, 2).state_dict()
