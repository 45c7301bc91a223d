"""What a graph must be, and how its edges are read."""

import pytest
import torch

from nascence.errors import DataError
from nascence.tasks.graphs.graph import both_ways, each_once, make_graph, one_way

FEATURES = torch.eye(4)
LABELS = torch.tensor([3, 7, 7, -1])
EDGES = torch.tensor([[0, 1, 1], [1, 2, 0]])


def test_edges_become_both_ways_each_once_sorted_by_target():
    assert both_ways(EDGES, 4).tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    assert each_once(torch.cat([EDGES, EDGES], 1), 4).tolist() == [[1, 0, 1], [0, 1, 2]]


def test_edges_of_one_direction_are_counted():
    assert one_way(EDGES, 4) == 1
    assert one_way(both_ways(EDGES, 4), 4) == 0
    assert one_way(torch.tensor([[2], [2]]), 4) == 0, "an edge from a node to itself"


def test_one_way_edges_are_accepted_and_said():
    graph, notes = make_graph("g", FEATURES, LABELS, EDGES)
    assert graph.edges.shape == (2, 4)
    assert len(notes) == 1
    assert "1 of the 3 edges" in notes[0]
    assert make_graph("g", FEATURES, LABELS, both_ways(EDGES, 4))[1] == ()


def test_directed_edges_stay_as_they_are():
    graph, notes = make_graph("g", FEATURES, LABELS, EDGES, directed=True)
    assert graph.edges.shape == (2, 3)
    assert notes == ()


def test_labels_are_numbered_and_unknown_ones_stay_unknown():
    graph, _ = make_graph("g", FEATURES, LABELS, EDGES)
    assert graph.labels.tolist() == [0, 1, 1, -1]
    assert graph.class_names == ("3", "7")
    named, _ = make_graph("g", FEATURES, torch.tensor([0, 1, 1, -1]), EDGES, class_names=("a", "b"))
    assert named.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("features", "labels", "edges", "words"),
    [
        (FEATURES[:3], LABELS, EDGES, "features of 3 nodes but labels of 4"),
        (FEATURES, LABELS, EDGES + 2, r"edge from node 3 to node 4, but its nodes are 0 to 3"),
        (FEATURES, LABELS, EDGES - 1, "edge from node -1"),
        (FEATURES * float("nan"), LABELS, EDGES, "NaN or infinite at 4 nodes, node 0 first"),
        (FEATURES, LABELS, EDGES[0], "edges of shape"),
        (FEATURES[0], LABELS, EDGES, "features of shape"),
        (FEATURES[:0], LABELS[:0], EDGES, "has no nodes"),
        (FEATURES, torch.zeros(4, dtype=torch.long), EDGES, "nodes of 1 class"),
    ],
)
def test_what_is_no_graph_is_refused(features, labels, edges, words):
    with pytest.raises(DataError, match=words):
        make_graph("g", features, labels, edges)


def test_too_few_class_names_are_refused():
    with pytest.raises(DataError, match="names 2 classes"):
        make_graph("g", FEATURES, LABELS, EDGES, class_names=("a", "b"))
