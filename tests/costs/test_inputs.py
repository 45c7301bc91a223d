"""What networks are counted on: images on the device of shapes alone, graphs with their edges."""

import torch
from torch import nn

from nascence.costs import flops, memory_mib
from nascence.costs.inputs import counting_device, examples, random_inputs, to_count
from nascence.costs.latency import latency_ms
from nascence.tasks.base import Signature

IMAGES = Signature.images((3, 4, 5), 7)
GRAPH = Signature("graph", 6, 2, (10, 40))


class Sum(nn.Module):
    """Adds up the features of a node's sources, after a linear layer: looks at the edges themselves."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 2)

    def forward(self, x, edges):
        kept = edges[:, edges[0] != edges[1]]
        return torch.zeros(len(x), 2).index_add(0, kept[1], self.linear(x)[kept[0]])


def test_images_are_counted_by_shapes_and_graphs_with_edges():
    assert counting_device(IMAGES) == counting_device((3, 4, 5)) == torch.device("meta")
    assert counting_device(GRAPH) == torch.device("cpu")
    assert [tuple(x.shape) for x in to_count(IMAGES)] == [(1, 3, 4, 5)]
    x, edges = to_count(GRAPH)
    assert (x.shape, edges.shape) == ((10, 6), (2, 40))
    assert 0 <= int(edges.min()) <= int(edges.max()) < 10


def test_a_signature_counts_as_its_shape_does():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 20, 7))
    assert flops(network, IMAGES) == flops(network, (3, 4, 5))
    assert memory_mib(network, IMAGES) == memory_mib(network, (3, 4, 5))


def test_a_graph_network_is_counted_though_its_work_depends_on_the_edges():
    assert flops(Sum(), GRAPH) == 2 * 10 * 6 * 2
    assert memory_mib(Sum(), GRAPH) > 0
    assert latency_ms(Sum(), GRAPH, repeats=2, warm_up=0).median_ms > 0


def test_random_inputs_are_the_same_each_time_and_leave_edges():
    (first,), (again,) = random_inputs(IMAGES, 2), random_inputs((3, 4, 5), 2)
    assert torch.equal(first, again)
    assert first.shape == (2, 3, 4, 5)
    x, edges = random_inputs(GRAPH, 1)
    assert float(x.std()) > 0.1
    assert torch.equal(edges, examples(GRAPH)[1])
