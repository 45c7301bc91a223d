"""A graph task and a graph space that need no extra library, with a known best answer: for tests and authors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces import SPACES, Choice, NetworkConfig, get_space
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, MixedOperation, MixedSum, MixedSupernet
from nascence.tasks.base import Signature
from nascence.tasks.graphs import NodeClassification, make_graph, random_split

_AGGREGATORS = ("own", "mean", "sum", "max")
_FUSIONS = ("last", "both")
_LAYERS = 2


def toy_graph_task(seed: int = 0, nodes: int = 90, *, sampled: bool = False) -> NodeClassification:
    """``nodes`` nodes in three classes; the features of a node say nothing, those of its neighbours say its class.

    Every node has six edges in, all from nodes whose features are its own class's, and features [4] of a class drawn
    independently of its own: a network that looks at the node alone guesses. ``sampled``: in batches of neighbourhoods.
    """
    draws = generator(seed, "toy graph")
    target = torch.arange(nodes) % 3
    shown = torch.randint(3, (nodes,), generator=draws)
    features = torch.randn(nodes, 4, generator=draws) * 0.5
    features[torch.arange(nodes), shown] += 2
    sources = []
    for known in target.tolist():
        fitting = (shown == known).nonzero()[:, 0]
        sources.append(fitting[torch.randperm(len(fitting), generator=draws)[:6]])
    targets = torch.cat([torch.full_like(row, at) for at, row in enumerate(sources)])
    edges = torch.stack([torch.cat(sources), targets])
    graph, _ = make_graph("toy-graph", features, target, edges, directed=True)
    return NodeClassification("toy-graph", graph, random_split(graph, seed), fanouts=(4, 4) if sampled else None)


@final
class ToyGraphSpace(RowwiseSpace):
    """Two layers with an aggregator each, and a fusion: the last layer's features, or the sum of both layers'.

    The text is the three answers separated by commas. Obtain it from :func:`toy_graph_space`, which makes its name
    known. ``own`` ignores the graph, so on :func:`toy_graph_task` any architecture with another aggregator in it beats
    those without.
    """

    name = "toy-graph"
    choices = (
        Choice("layer1", _AGGREGATORS),
        Choice("layer2", _AGGREGATORS),
        Choice("fusion", _FUSIONS),
    )
    networks = {
        "evaluation": NetworkConfig(channels=16),
        "search": NetworkConfig(channels=8),
        "search-small": NetworkConfig(channels=8),
        "score": NetworkConfig(channels=8),
        "ranking": NetworkConfig(channels=8),
        "ranking-deep": NetworkConfig(channels=8),
    }
    groups = (
        ChoiceGroup("aggregator", ("layer1", "layer2"), _AGGREGATORS),
        ChoiceGroup("fusion", ("fusion",), _FUSIONS, role="fusion"),
    )

    def format(self, architecture: Architecture) -> str:
        return ",".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.strip().split(","))

    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        network.refuse(self.name, "depth", "stages", "stem_channels", "auxiliary")
        *layers, fusion = architecture.answers
        blocks = [Aggregator(name, network.channels) for name in layers]
        return _Network(
            signature.features, network.channels, signature.outputs, blocks, _Fusion(_FUSIONS.index(fusion))
        )

    def supernet(self, network: Any, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, NetworkConfig)
        channels = network.channels
        with seeded_globally(derive_seed(seed, "construction")):
            blocks = [
                MixedOperation("aggregator", row, (Aggregator(name, channels) for name in _AGGREGATORS))
                for row in range(_LAYERS)
            ]
            body = _Network(signature.features, channels, signature.outputs, blocks, MixedSum("fusion", 0))
        initialise(body, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, body)


class Aggregator(nn.Module):
    """W_1 x_i + W_2 agg_{j -> i} x_j with agg = mean, sum or max over the edges into i, 0 where there are none; ``own``
    leaves the neighbours out."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.gather = _GATHER[name]
        self.own = nn.Linear(channels, channels)
        self.neighbours = nn.Linear(channels, channels, bias=False) if self.gather is not None else None

    def forward(self, x_NC: Tensor, edges_2E: Tensor) -> Tensor:
        if self.gather is None or self.neighbours is None:
            return self.own(x_NC)
        return self.own(x_NC) + self.neighbours(self.gather(x_NC, edges_2E))


def _sum(x_NC: Tensor, edges_2E: Tensor) -> Tensor:
    return torch.zeros_like(x_NC).index_add(0, edges_2E[1], x_NC[edges_2E[0]])


def _mean(x_NC: Tensor, edges_2E: Tensor) -> Tensor:
    counts = torch.zeros_like(x_NC[:, :1]).index_add(0, edges_2E[1], torch.ones_like(x_NC[edges_2E[0], :1]))
    return _sum(x_NC, edges_2E) / counts.clamp(min=1)


def _max(x_NC: Tensor, edges_2E: Tensor) -> Tensor:
    at = edges_2E[1][:, None].expand(-1, x_NC.shape[1])
    return torch.zeros_like(x_NC).scatter_reduce(0, at, x_NC[edges_2E[0]], "amax", include_self=False)


_GATHER: dict[str, Callable[[Tensor, Tensor], Tensor] | None] = {"own": None, "mean": _mean, "sum": _sum, "max": _max}


class _Fusion(nn.Module):
    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return states[self.at]


class _Network(nn.Module):
    """Linear, ReLU, two layers of aggregator and ReLU, fusion, Linear."""

    def __init__(
        self, features: int, channels: int, outputs: int, layers: Sequence[nn.Module], fusion: nn.Module
    ) -> None:
        super().__init__()
        self.stem = nn.Linear(features, channels)
        self.blocks = nn.ModuleList(layers)
        self.fusion = fusion
        self.classifier = nn.Linear(channels, outputs)

    def forward(self, x_NF: Tensor, edges_2E: Tensor) -> Tensor:
        """Outputs [N, K] of nodes with features [N, F] and edges [2, E] from source to target."""
        x_NC = self.stem(x_NF).relu()
        states = []
        for block in self.blocks:
            x_NC = block(x_NC, edges_2E).relu()
            states.append(x_NC)
        return self.classifier(self.fusion((states[-1], states[0] + states[-1])))


def toy_graph_space() -> ToyGraphSpace:
    """The toy graph space, known as ``toy-graph`` from the first call on."""
    if ToyGraphSpace.name not in SPACES.names():
        SPACES.register(ToyGraphSpace.name, ToyGraphSpace)
    space = get_space(ToyGraphSpace.name)
    assert isinstance(space, ToyGraphSpace)
    return space


__all__ = ["Aggregator", "ToyGraphSpace", "toy_graph_space", "toy_graph_task"]
