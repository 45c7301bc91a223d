"""What PyTorch Geometric's layers compute here, and what is said when it is missing."""

import sys

import pytest
import torch

from nascence.errors import MissingExtraError, UnknownNameError
from nascence.operations.graphs import AGGREGATORS, build_aggregator, geometric

EDGES = torch.tensor([[0, 1, 2], [1, 2, 1]])
X = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))  # node 3 stands alone


@pytest.mark.parametrize("name", AGGREGATORS.names())
def test_maps_features_to_features_and_hears_only_neighbours(name):
    layer = build_aggregator(name, 16, 8, 0.5).eval()
    out = layer(X, EDGES)
    assert out.shape == X.shape
    moved = X.clone()
    moved[0] += 1  # node 0 speaks to node 1 only
    changed = ((layer(moved, EDGES) - out).abs() > 1e-7).any(1)
    assert not bool(changed[2])
    assert not bool(changed[3])


@pytest.mark.parametrize("name", [name for name in AGGREGATORS.names() if name != "gat_linear"])
def test_a_neighbour_is_heard(name):
    """(gat_linear gives a node that has one neighbour and itself a say of both, too; weights of one edge may be 0.)"""
    layer = build_aggregator(name, 16, 8, 0.0).eval()
    moved = X.clone()
    moved[0] = 10 * X[0].abs() + 1
    assert not torch.allclose(layer(moved, EDGES)[1], layer(X, EDGES)[1])


def test_sage_has_rows_of_norm_one():
    out = build_aggregator("sage", 16, 8, 0.0)(X, EDGES)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(4))


def test_gin_on_a_lonely_node_is_its_mlp():
    layer = build_aggregator("gin", 16, 8, 0.0)
    torch.testing.assert_close(layer(X, EDGES)[3], layer.nn(X[3]))


def test_gcn_by_hand():
    layer = build_aggregator("gcn", 16, 8, 0.0)
    adjacency = torch.eye(4)
    adjacency[EDGES[1], EDGES[0]] = 1
    degrees = adjacency.sum(1)
    normalised = adjacency / (degrees[:, None] * degrees[None]).sqrt()
    torch.testing.assert_close(layer(X, EDGES), normalised @ X @ layer.lin.weight.T + layer.bias)


def test_attention_weights_of_the_library_sum_to_one_at_the_target():
    layer = build_aggregator("gat", 16, 8, 0.0)
    _, (edges, weights) = layer(X, EDGES, return_attention_weights=True)
    totals = torch.zeros(4, 8).index_add(0, edges[1], weights)
    torch.testing.assert_close(totals, torch.ones(4, 8))


def test_geniepath_is_an_lstm_cell_from_zero():
    layer = build_aggregator("geniepath", 16, 8, 0.0)
    wide = layer.breadth(X, EDGES).tanh()
    given, _, cell, shown = (wide @ layer.depth.weight_ih_l0.T).chunk(4, 1)  # input, forget, cell, output gates
    torch.testing.assert_close(
        layer(X, EDGES), shown.sigmoid() * torch.tanh(given.sigmoid() * cell.tanh()), rtol=1e-4, atol=1e-6
    )
    assert not [name for name, _ in layer.depth.named_parameters() if "bias" in name]


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="gat_sym"):
        build_aggregator("gat_sin", 16, 8, 0.0)


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(MissingExtraError, match=r"torch-geometric.*\[graphs\]"):
        geometric()
