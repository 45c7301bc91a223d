"""Numbers of channels, tied and pinned by hand."""

import operator

import pytest
import torch
from torch import fx

from nascence.spaces.own.labels import NONE, PINNED, Labelled, kind_of, tensors, varies, zeros


def edges(found):
    return {tuple(sorted(pair)) for each in found.edges for pair in each.T.tolist()}


def test_fresh_numbers_are_new_ones():
    found = Labelled()
    first, second = found.fresh(3), found.fresh(2, 2)
    assert first.tolist() == [2, 3, 4]
    assert second.tolist() == [[5, 6], [7, 8]]
    assert found.count == 9


def test_ties_leave_out_what_is_no_channel():
    found = Labelled()
    found.tie(torch.tensor([2, 3, NONE, 5]), torch.tensor([6, 3, 7, NONE]))
    assert edges(found) == {(2, 6)}
    found = Labelled()
    found.tie_all(torch.tensor([[4, NONE], [2, 3]]))
    assert edges(found) == {(2, 3), (2, 4)}
    found = Labelled()
    found.tie_all(torch.tensor([4, 4, NONE]))
    assert found.edges == []


def test_pins_have_a_reason():
    found = Labelled()
    for nothing in (None, torch.tensor([NONE, PINNED])):
        found.pin(nothing, "no channel is in it")
    assert found.pins == []
    found.pin(torch.tensor([NONE, 4, 4, 3]), "because")
    ((numbers, reason),) = found.pins
    assert (numbers.tolist(), reason) == ([3, 4], "because")
    assert edges(found) == {(PINNED, 3), (PINNED, 4)}


@pytest.mark.parametrize(
    ("target", "kind"),
    [(operator.iadd, "add"), (operator.add, "add"), ("relu_", "relu"), (torch.mul, "mul"), ("__getitem__", "getitem")],
)
def test_functions_and_methods_of_one_kind(target, kind):
    graph = fx.Graph()
    x = graph.placeholder("x")
    node = graph.call_method(target, (x, x)) if isinstance(target, str) else graph.call_function(target, (x, x))
    assert kind_of(node).strip("_") == kind


def test_helpers():
    one, two = torch.tensor([[1, 1], [2, 2]]), torch.zeros(3)
    assert varies(one, 0)
    assert not varies(one, 1)
    assert not varies(one[:1], 0)
    assert [id(each) for each in tensors(({"a": one}, [two, 3], None))] == [id(one), id(two)]
    made = zeros((two, None))
    assert made[0].tolist() == [0, 0, 0]
    assert made[0].dtype == torch.int64
    assert made[1] is None
