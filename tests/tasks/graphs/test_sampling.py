"""Sampled neighbourhoods: real edges, bounded, and the same for the same generator."""

import torch

from nascence.seeding import generator
from nascence.tasks.graphs.sampling import NeighbourSampler

NODES = 200
EDGES = torch.randint(NODES, (2, 3000), generator=generator(0, "edges")).unique(dim=1)


def test_edges_are_edges_of_the_graph():
    nodes, edges = NeighbourSampler(EDGES, NODES, (3, 2)).sample(torch.tensor([5, 9, 17]), generator(0))
    assert nodes[:3].tolist() == [5, 9, 17]
    assert len(nodes.unique()) == len(nodes)
    known = set(map(tuple, EDGES.T.tolist()))
    drawn = list(map(tuple, nodes[edges].T.tolist()))
    assert set(drawn) <= known
    assert len(set(drawn)) == len(drawn), "each once"


def test_so_many_edges_into_every_node():
    nodes, edges = NeighbourSampler(EDGES, NODES, (3, 2)).sample(torch.arange(10), generator(0))
    into = torch.bincount(edges[1], minlength=len(nodes))
    degree = torch.bincount(EDGES[1], minlength=NODES)
    assert into[:10].tolist() == degree[:10].clamp(max=3).tolist()
    assert len(nodes) <= 10 * (1 + 3 + 6)
    assert int(into.max()) <= 3


def test_small_neighbourhoods_are_taken_whole():
    line = torch.tensor([[0, 1, 2], [1, 2, 3]])
    nodes, edges = NeighbourSampler(line, 4, (5, 5, 5)).sample(torch.tensor([3]), generator(0))
    assert nodes.tolist() == [3, 2, 1, 0]
    assert nodes[edges].T.tolist() == [[2, 3], [1, 2], [0, 1]]


def test_a_node_without_edges():
    nodes, edges = NeighbourSampler(torch.tensor([[0], [1]]), 3, (2,)).sample(torch.tensor([2]), generator(0))
    assert nodes.tolist() == [2]
    assert edges.shape == (2, 0)


def test_follows_from_the_generator_and_leaves_nothing_behind():
    sampler = NeighbourSampler(EDGES, NODES, (3, 2))
    first = sampler.sample(torch.arange(4), generator(1))
    sampler.sample(torch.arange(50), generator(2))
    again = sampler.sample(torch.arange(4), generator(1))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_every_edge_has_its_chance():
    star = torch.tensor([list(range(1, 9)), [0] * 8])
    sampler = NeighbourSampler(star, 9, (2,))
    counts = torch.zeros(9)
    for at in range(400):
        nodes, _ = sampler.sample(torch.tensor([0]), generator(at))
        counts[nodes[1:]] += 1
    assert int(counts[1:].min()) > 60, "100 expected"
