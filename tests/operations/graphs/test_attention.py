"""Sums, maxima and the four scores of attention, by hand; weights into a node sum to 1."""

import pytest
import torch

from nascence.operations.graphs.attention import Attention, Gathered, softmax_by_target, with_self_loops

EDGES = torch.tensor([[0, 1, 3, 3], [2, 2, 2, 1]])
X = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
SCORES = ("sym", "cos", "linear", "gen_linear")


def layer(score, heads=2):
    torch.manual_seed(0)
    return Attention(8, score, heads, 0.0)


def test_every_node_hears_itself_once():
    edges = with_self_loops(torch.tensor([[0, 1, 1], [1, 1, 2]]), 3)
    assert edges.tolist() == [[0, 1, 0, 1, 2], [1, 2, 0, 1, 2]]


def test_weights_into_a_node_sum_to_one():
    """Over the edge's target: over its source, as in the authors' code, they do not."""
    scores = 5 * torch.randn(4, 3)
    weights = softmax_by_target(scores, EDGES[1], 5)
    totals = torch.zeros(5, 3).index_add(0, EDGES[1], weights)
    torch.testing.assert_close(totals[1:3], torch.ones(2, 3))
    torch.testing.assert_close(weights[:3], scores[:3].softmax(0))


def test_large_scores_do_no_harm():
    assert bool(softmax_by_target(torch.tensor([[1e4], [-1e4], [1e4], [0.0]]), EDGES[1], 5).isfinite().all())


@pytest.mark.parametrize("score", SCORES)
def test_attention_is_the_weighted_sum_head_by_head(score):
    attention = layer(score)
    z = torch.nn.functional.linear(X, attention.weight).view(5, 2, 4)
    edges = with_self_loops(EDGES, 5)
    expected = torch.zeros(5, 2, 4)
    for node in range(5):
        sources = edges[0][edges[1] == node]
        weights = attention.scores(z, sources, torch.full_like(sources, node)).softmax(0)
        expected[node] = (weights[:, :, None] * z[sources]).sum(0)
    torch.testing.assert_close(attention(X, EDGES), expected.flatten(1) + attention.bias)


def test_symmetric_score_is_symmetric():
    z = X.view(5, 2, 4)
    one, two = torch.tensor([0, 1]), torch.tensor([3, 4])
    attention = layer("sym")
    torch.testing.assert_close(attention.scores(z, one, two), attention.scores(z, two, one))
    assert not torch.allclose(layer("gen_linear").scores(z, one, two), layer("gen_linear").scores(z, two, one))


def test_linear_score_does_not_see_the_target():
    z = X.view(5, 2, 4)
    sources = torch.tensor([0, 0, 0])
    scores = layer("linear").scores(z, sources, torch.tensor([1, 2, 3]))
    assert torch.equal(scores, scores[:1].expand(3, -1))


def test_scores_by_their_formulas():
    z = X.view(5, 2, 4)
    at, to = torch.tensor([0]), torch.tensor([3])
    left, right, source, target = (layer("cos").left, layer("cos").right, z[0], z[3])
    torch.testing.assert_close(layer("cos").scores(z, at, to)[0], (left * target * right * source).sum(-1))
    general = layer("gen_linear")
    expected = torch.tanh(general.left * target + general.right * source) @ general.generalised
    torch.testing.assert_close(general.scores(z, at, to)[0], expected)
    linear = layer("linear")
    torch.testing.assert_close(
        linear.scores(z, at, to)[0], torch.tanh((linear.left * source).sum(-1) + (linear.right * source).sum(-1))
    )


@pytest.mark.parametrize(("reduction", "expected"), [("sum", [9.0, -2.0]), ("max", [5.0, 0.0])])
def test_gathered_by_hand(reduction, expected):
    gathered = Gathered(2, reduction, 0.0)
    with torch.no_grad():
        gathered.weight.copy_(torch.eye(2))
    x = torch.tensor([[1.0, 0.0], [3.0, -2.0], [5.0, 0.0]])
    assert gathered(x, torch.tensor([[0, 1], [2, 2]]))[2].tolist() == expected


@pytest.mark.parametrize("score", SCORES)
def test_weights_follow_from_the_global_generator_alone(score):
    one, two = layer(score), layer(score)
    one.reset_parameters()
    assert not torch.equal(one.left, two.left)
    torch.manual_seed(0)
    one.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
