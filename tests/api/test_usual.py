"""Method and space by what the data are."""

from nascence.api.usual import USUAL, usual
from nascence.tasks import load_task
from nascence.testing.toy_graph import toy_graph_task


def test_graphs_and_images():
    assert usual(load_task("digits"), None, None) == USUAL
    assert usual(toy_graph_task(), None, None) == ("sane", "sane")


def test_what_is_named_is_kept():
    assert usual(toy_graph_task(), "random", None) == ("random", "sane")
    assert usual(toy_graph_task(), None, "sane-2") == ("sane", "sane-2")
    assert usual(load_task("digits"), "nasi", "darts") == ("nasi", "darts")
