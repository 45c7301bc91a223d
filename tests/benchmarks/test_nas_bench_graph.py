"""Facts of NAS-Bench-Graph's tables, through our chains."""

import statistics
import sys

import pytest

from nascence.benchmarks import nas_bench_graph
from nascence.benchmarks.nas_bench_graph import look_up
from nascence.errors import DataError, MissingExtraError
from nascence.spaces import get_space

SPACE = get_space("nas-bench-graph-chains")


@pytest.mark.parametrize(("dataset", "mean", "best"), [("cora", 78.3, 81.0), ("citeseer", 64.4, 68.2)])
def test_facts(dataset, mean, best):
    known = [look_up(one, dataset) for one in SPACE.enumerate()]
    assert len(known) == 192
    assert statistics.fmean(one.test for one in known) == pytest.approx(mean, abs=0.05)
    assert max(known, key=lambda one: one.validation).test == pytest.approx(best, abs=0.05)


@pytest.mark.parametrize(
    ("text", "test"), [("gcn,gcn,gcn|none", 80.3), ("gat,gat,gat|none", 79.1), ("gin,gin,gin|none", 70.5)]
)
def test_networks_of_one_aggregator(text, test):
    assert look_up(SPACE.parse(text), "cora").test == pytest.approx(test, abs=0.06)


def test_unknown_data_are_refused():
    with pytest.raises(DataError, match="cora, citeseer"):
        look_up(SPACE.parse("gcn,gcn,gcn|none"), "karate")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "nas_bench_graph", None)
    with pytest.raises(MissingExtraError, match=r"\[dev\]"):
        nas_bench_graph._package()
