"""What a report says of the worth of a graph."""

from pathlib import Path

from nascence.architecture import Architecture
from nascence.reporting.contents import Contents
from nascence.reporting.without_edges import without_edges


def contents(metrics):
    return Contents(Path("a"), {}, {}, Architecture("sane", ()), [], [], metrics, {}, None)


def metrics(value, alone):
    about = {"metric": {"name": "roc_auc", "unit": "%"}, "examples": "nodes", "params": 12_345}
    return {**about, "roc_auc": value, "without_edges": {"value": alone, "params": 6_000}}


def test_absent_where_it_is_not_known():
    assert without_edges(contents(None)) == ""
    assert without_edges(contents({"accuracy": 90.0})) == ""


def test_the_gain_and_both_networks():
    shown = without_edges(contents(metrics(89.5, 50.9)))
    assert "+38.60 points of roc auc" in shown
    assert "89.50 %" in shown
    assert "50.90 %" in shown
    assert "is as good" not in shown


def test_where_the_graph_does_not_help_it_says_so():
    shown = without_edges(contents(metrics(60.0, 72.0)))
    assert "-12.00 points" in shown
    assert "A network without the graph is as good" in shown
