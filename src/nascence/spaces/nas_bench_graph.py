"""The chains of NAS-Bench-Graph that SANE's space has too (Qin et al., NeurIPS 2022 Datasets and Benchmarks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice, Drawn
from nascence.spaces.node_networks import node_network
from nascence.spaces.relaxable import RowwiseSpace
from nascence.spaces.sane import GraphLayer, GraphNetwork, GraphSize
from nascence.supernets.groups import ChoiceGroup
from nascence.supernets.mixed import MixedOperation, MixedSupernet
from nascence.tasks.base import Signature

_AGGREGATORS = ("gcn", "gat", "gin", "sage")
_JUMPS = ("none", "first", "second")
_DEPTH = 3


@final
class NASBenchGraphChains(RowwiseSpace):
    """Three layers of ``gcn``, ``gat``, ``gin`` or ``sage``, and which earlier layer also reaches the output: 192
    architectures, all of which the benchmark knows.

    The text is the answers, such as ``gcn,gat,sage|first``. How layers are joined at the output is our own (a linear
    map of both side by side), so that absolute accuracies are no match for the benchmark's.
    """

    name = "nas-bench-graph-chains"
    domain = "graph"
    size_class: ClassVar[type] = GraphSize
    choices = (*(Choice(f"layer{at + 1}", _AGGREGATORS) for at in range(_DEPTH)), Choice("jump", _JUMPS))
    groups = (
        ChoiceGroup("aggregator", tuple(f"layer{at + 1}" for at in range(_DEPTH)), _AGGREGATORS),
        ChoiceGroup("jump", ("jump",), _JUMPS, role="skip"),
    )
    networks: Mapping[str, Any] = {
        "evaluation": GraphSize(heads=2),
        "search": GraphSize(channels=32, heads=2, dropout=0.3, output_dropout=0.3, attention_dropout=0.2),
        "search-small": GraphSize(channels=16, heads=2, dropout=0.3, output_dropout=0.3, attention_dropout=0.2),
        "score": GraphSize(channels=32, heads=2),
        "ranking": GraphSize(channels=32, heads=2),
    }

    def format(self, architecture: Architecture) -> str:
        *layers, jump = architecture.answers
        return f"{','.join(layers)}|{jump}"

    def parse(self, text: str) -> Architecture:
        layers, bar, jump = text.strip().partition("|")
        if not bar:
            raise ArchitectureError(
                f"'{text}' is no architecture of {self.name}; expected one such as gcn,gat,sage|none."
            )
        return self.architecture([*layers.split(","), jump])

    def assemble(self, architecture: Architecture, network: GraphSize, signature: Signature) -> nn.Module:
        *layers, jump = architecture.answers
        return self._network(signature, network, [GraphLayer(name, network) for name in layers], _Join(network, jump))

    def unconnected(self, network: GraphSize, signature: Signature, *, seed: int = 0) -> nn.Module:
        return node_network(signature, network, _DEPTH, seed)

    def diagram(self, architecture: Architecture) -> tuple[Drawn, ...]:
        *layers, jump = architecture.answers
        kept = (_DEPTH,) if jump == "none" else (_JUMPS.index(jump), _DEPTH)
        chain = (Drawn(name, (at,)) for at, name in enumerate(layers))
        return Drawn("features"), *chain, Drawn("join", kept), Drawn("classes", (_DEPTH + 1,))

    def supernet(self, network: Any, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, GraphSize)
        with seeded_globally(derive_seed(seed, "construction")):
            layers = [
                MixedOperation("aggregator", row, [GraphLayer(name, network) for name in _AGGREGATORS])
                for row in range(_DEPTH)
            ]
            body = self._network(
                signature, network, layers, MixedOperation("jump", 0, [_Join(network, jump) for jump in _JUMPS])
            )
        initialise(body, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, body)

    def _network(
        self, signature: Signature, network: GraphSize, layers: Sequence[nn.Module], join: nn.Module
    ) -> GraphNetwork:
        return GraphNetwork(signature, network, layers, [nn.Identity() for _ in range(_DEPTH - 1)], join)


class _Join(nn.Module):
    """ReLU(W [s_K]) or ReLU(W [s_j, s_K]) of the layers' outputs s."""

    def __init__(self, size: GraphSize, jump: str) -> None:
        super().__init__()
        self.jump = _JUMPS.index(jump) - 1
        self.linear = nn.Linear(size.channels * (1 if self.jump < 0 else 2), size.channels)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        kept = [states[-1]] if self.jump < 0 else [states[self.jump], states[-1]]
        return self.linear(torch.cat(kept, dim=1)).relu()


__all__ = ["NASBenchGraphChains"]
