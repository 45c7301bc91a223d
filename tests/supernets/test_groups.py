"""Mixing weights on a device and on the CPU."""

import pytest
import torch

from nascence.supernets.groups import PlacedWeights, on_cpu, placed
from nascence.supernets.mixed import scaled, taking

WEIGHTS = {"a": torch.tensor([[0.25, 0.75]]), "b": torch.tensor([[1.0, 0.0, 0.0]])}


def test_what_is_there_stays_itself():
    assert placed(WEIGHTS, torch.device("cpu")) is WEIGHTS
    assert on_cpu(WEIGHTS) is WEIGHTS


def test_elsewhere_they_are_moved_together_and_know_where_they_came_from():
    there = placed({**WEIGHTS, "tied": WEIGHTS["a"]}, torch.device("meta"))
    assert isinstance(there, PlacedWeights)
    assert {name: tuple(value.shape) for name, value in there.items()} == {"a": (1, 2), "b": (1, 3), "tied": (1, 2)}
    assert there["tied"] is there["a"]
    assert all(value.device.type == "meta" for value in there.values())
    assert all(on_cpu(there)[name] is value for name, value in WEIGHTS.items())


@pytest.mark.parametrize(
    ("gradient", "sparse", "options"),
    [(False, False, [0, 2]), (False, True, [0, 2]), (True, True, [0, 2]), (True, False, [0, 1, 2])],
)
def test_what_takes_part(gradient, sparse, options):
    weights = torch.tensor([0.5, 0.0, 0.5], requires_grad=gradient)
    found = taking(weights, weights.detach(), sparse)
    assert [option for option, _ in found] == options
    assert all(torch.equal(weight, weights[option]) for option, weight in found)


def test_a_weight_of_one_is_no_factor_unless_it_is_learned():
    one = torch.tensor([0.0, 1.0])
    assert taking(one, one, False) == [(1, None)]
    learned = one.clone().requires_grad_()
    (only,) = taking(learned, one, True)
    assert only[1] is not None
    assert only[1].requires_grad
    x = torch.ones(3, dtype=torch.float64)
    assert scaled(None, x) is x
    assert torch.equal(scaled(torch.tensor(0.5), x), x / 2)
    assert scaled(torch.tensor(0.5), x).dtype == torch.float64


def test_never_nothing():
    zeros = torch.zeros(3)
    ((option, weight),) = taking(zeros, zeros, True)
    assert option == 0
    assert float(weight) == 0.0
