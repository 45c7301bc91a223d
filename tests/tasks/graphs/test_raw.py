"""From what a file holds to a task: splits, metric, scaling, sampling, and settings that do not go together."""

import pytest
import torch

from nascence.errors import DataError, SettingError
from nascence.tasks.graphs import node_classification
from nascence.tasks.graphs.raw import NodeSettings, RawGraph, assemble

LABELS = torch.arange(30) % 3
EDGES = torch.stack([torch.arange(30), (torch.arange(30) + 1) % 30])
ROWS = torch.stack([torch.arange(30) // 10 == part for part in range(3)])


def raw(**options):
    return RawGraph("g", torch.arange(60.0).view(30, 2), LABELS, EDGES, **options)


def masks(count=2):
    return {"given": tuple(ROWS[part].expand(count, 30) for part in range(3))}


def test_given_masks_are_taken_where_there_are_some():
    assert assemble(raw(), NodeSettings(), seed=4).split.name == "random 60/20/20, seed 4"
    assert assemble(raw(masks=masks()), NodeSettings(split_number=1)).split.name == "given 1"
    assert assemble(raw(masks=masks()), NodeSettings(split="random", split_seed=2)).split.name.endswith("seed 2")
    with pytest.raises(DataError, match="no public split; it has: random, given"):
        assemble(raw(masks=masks()), NodeSettings(split="public"))


def test_features_are_scaled_as_asked():
    rows = assemble(raw(), NodeSettings(features="rows")).graph.features
    torch.testing.assert_close(rows[1:].sum(1), torch.ones(29))
    columns = assemble(raw(), NodeSettings(features="columns")).graph.features
    torch.testing.assert_close(columns.mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    assert assemble(raw(), NodeSettings()).graph.features[3].tolist() == [6, 7]


def test_large_graphs_are_sampled(monkeypatch):
    assert assemble(raw(), NodeSettings()).fanouts is None
    assert assemble(raw(), NodeSettings(fanouts=(3, 2))).fanouts == (3, 2)
    monkeypatch.setattr("nascence.tasks.graphs.raw.WHOLE", 20)
    assert assemble(raw(), NodeSettings()).fanouts == node_classification.FANOUTS
    assert assemble(raw(), NodeSettings(fanouts=(0,))).fanouts is None


@pytest.mark.parametrize(
    "settings",
    [
        {"fanouts": (3, 0)},
        {"split": "random", "split_number": 1},
        {"split": "given", "split_seed": 1},
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings):
    with pytest.raises(SettingError):
        NodeSettings(**settings)


def test_a_number_without_given_splits_is_refused():
    with pytest.raises(SettingError, match="has none"):
        assemble(raw(), NodeSettings(split_number=1))


def test_directed_edges_are_kept_where_said():
    assert assemble(raw(), NodeSettings()).graph.edges.shape[1] == 60
    assert len(assemble(raw(), NodeSettings()).remarks) == 1
    assert assemble(raw(), NodeSettings(directed=True)).graph.edges.shape[1] == 30
    assert assemble(raw(directed=True), NodeSettings()).graph.edges.shape[1] == 30


def test_a_class_without_training_nodes_has_to_be_accepted():
    only = {"given": (ROWS[0] & (LABELS != 2), ROWS[1], ROWS[2])}
    with pytest.raises(DataError, match=r"Class '2' of 'g' has no training node in split 'given'"):
        assemble(raw(masks=only), NodeSettings())
    assert assemble(raw(masks=only), NodeSettings(untrained_classes=True)).split.name == "given"
