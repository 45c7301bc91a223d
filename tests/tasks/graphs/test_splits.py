"""Splits of nodes: stratified, given, and what is wrong with them."""

import pytest
import torch

from nascence.errors import DataError
from nascence.tasks.graphs.graph import make_graph
from nascence.tasks.graphs.splits import NodeSplit, check_split, given_split, random_split

LABELS = torch.tensor([0] * 50 + [1] * 20 + [-1] * 5)
GRAPH, _ = make_graph("g", torch.ones(75, 1), LABELS, torch.tensor([[0], [1]]))


def masks(*rows):
    return [torch.tensor([at in row for at in range(75)]) for row in rows]


def test_random_split_takes_shares_of_every_class():
    split = random_split(GRAPH, 0)
    counts = [torch.bincount(GRAPH.labels[mask], minlength=2).tolist() for mask in (split.train, split.validation)]
    assert counts == [[30, 12], [10, 4]]
    assert int(split.test.sum()) == 14
    assert not bool(split.train[70:].any() | split.validation[70:].any() | split.test[70:].any())
    check_split("g", GRAPH, split)


def test_random_split_depends_on_the_seed_alone():
    one, same, other = random_split(GRAPH, 1), random_split(GRAPH, 1), random_split(GRAPH, 2)
    assert torch.equal(one.train, same.train)
    assert not torch.equal(one.train, other.train)
    assert one.name == "random 60/20/20, seed 1"


def test_given_splits_by_number():
    rows = torch.eye(3, 75, dtype=torch.bool)
    split = given_split(rows, rows.roll(1, 0), rows.roll(2, 0), 1)
    assert int(split.train.nonzero()) == 1
    assert split.name == "given 1"
    assert given_split(rows[0], rows[1], rows[2], 0).name == "given"
    with pytest.raises(DataError, match="splits 0 to 2"):
        given_split(rows, rows, rows, 3)
    with pytest.raises(DataError, match="3, 2, 3 masks"):
        given_split(rows, rows[:2], rows, 0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (([0, 60], [1], []), "test mask of 'g' is empty"),
        (([0, 60], [1, 60], [2]), "train and validation masks of 'g' overlap in 1 nodes, node 60"),
        (([0, 60], [1], [2, 0]), "train and test masks"),
        (([0, 60], [1, 2], [2]), "validation and test masks"),
        (([0, 1], [2], [3]), "Class '1' of 'g' has no training node"),
        (([0, 60], [1], [72]), "node 72, whose class is unknown"),
    ],
)
def test_masks_that_do_not_fit_are_refused(rows, words):
    with pytest.raises(DataError, match=words):
        check_split("g", GRAPH, NodeSplit(*masks(*rows), "given"))


def test_masks_of_another_graph_are_refused():
    short = torch.ones(3, dtype=torch.bool)
    with pytest.raises(DataError, match="about 3 nodes, but there are 75"):
        check_split("g", GRAPH, NodeSplit(short, short, short, "given"))
