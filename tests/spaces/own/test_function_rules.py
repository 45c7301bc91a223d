"""What single functions do to numbers of channels."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import fx

from nascence.spaces.own.function_rules import FunctionRules
from nascence.spaces.own.labels import NONE, PINNED, Labelled

ROWS = torch.tensor([[10, 11, 12, 13]])


def called(function, *arguments, **named):
    """The numbers that ``function`` gives of ``arguments``, tensors of numbers among them, and what was found."""
    graph = fx.Graph()
    plain = tuple(graph.placeholder(f"x{at}") if isinstance(a, torch.Tensor) else a for at, a in enumerate(arguments))
    node = graph.call_function(function, plain, named)
    shapes = [torch.rand(a.shape) if isinstance(a, torch.Tensor) else a for a in arguments]
    found = Labelled(count=100)
    return FunctionRules(found).call(node, arguments, named, function(*shapes, **named)), found


def tied(found):
    return {tuple(sorted(pair)) for each in found.edges for pair in each.T.tolist()}


def test_what_moves_elements_moves_their_numbers():
    moved, found = called(torch.reshape, ROWS, (2, 2))
    assert moved.tolist() == [[10, 11], [12, 13]]
    assert len(found.shapes["reshape"]) == 1
    moved, _ = called(torch.transpose, moved, 0, 1)
    assert moved.tolist() == [[10, 12], [11, 13]]


def test_pieces_of_equal_length_may_stay_so():
    (first, second), found = called(torch.chunk, ROWS, 2, 1)
    assert (first.tolist(), second.tolist()) == ([[10, 11]], [[12, 13]])
    ((rows, reason),) = found.equal
    assert rows.tolist() == [[10, 11], [12, 13]]
    assert reason == "pieces of a tensor"
    _, found = called(torch.split, ROWS, 3, 1)
    assert found.equal == []


@pytest.mark.parametrize(
    ("index", "picked"),
    [
        ((slice(None), slice(0, 2)), True),
        ((Ellipsis, 1), True),
        ((0,), False),
        ((slice(None), slice(None)), False),
        ((None, slice(0, 1)), False),
    ],
)
def test_positions_that_are_picked_among_channels(index, picked):
    _, found = called(operator.getitem, ROWS, index)
    assert [reason for _, reason in found.equal] == ["positions of it are picked by their number"] * picked


def test_element_by_element():
    met, found = called(torch.add, ROWS, ROWS + 20)
    assert torch.equal(met, ROWS)
    assert tied(found) == {(10, 30), (11, 31), (12, 32), (13, 33)}
    _, found = called(torch.add, ROWS, torch.full((1, 4), NONE))
    assert (PINNED, 10) in tied(found)
    assert "such as the input" in found.pins[0][1]
    _, found = called(torch.mul, ROWS, torch.tensor([[50]]))
    assert tied(found) == {(PINNED, 50)}
    assert found.pins[0][1] == "it is one for all channels of another tensor"


def test_a_maximum_of_channels_ties_them_and_one_of_places_does_not():
    mixed, found = called(torch.amax, ROWS, 1)
    assert mixed.tolist() == [13]
    assert tied(found) == {(10, 13), (11, 13), (12, 13)}
    places = ROWS.view(1, 4, 1).expand(1, 4, 5)
    kept, found = called(torch.amax, places, 2)
    assert torch.equal(kept, ROWS)
    assert found.edges == []


def test_more_channels_are_none():
    padded, _ = called(F.pad, ROWS.view(1, 4, 1, 1), (0, 0, 0, 0, 1, 0))
    assert padded.flatten().tolist() == [NONE, 10, 11, 12, 13]


def test_a_product_of_matrices_is_a_head():
    one = torch.tensor([10, 20]).view(2, 1, 1).expand(2, 3, 3)
    made, found = called(torch.matmul, one, one + 1)
    assert found.heads["matmul"].tolist() == [11, 21]
    assert made[:, 0, 0].tolist() == [11, 21]
    assert tied(found) == {(10, 11), (20, 21)}


def test_a_softmax_over_channels_is_not_known():
    made, found = called(F.softmax, ROWS, dim=1)
    assert not made.any()
    assert found.pins[0][1] == "'softmax' (softmax) is not known to leave channels apart"
    made, found = called(F.softmax, ROWS.view(4, 1).expand(4, 3), dim=1)
    assert made[:, 0].tolist() == [10, 11, 12, 13]
    assert found.pins == []
