"""SANE's space of graph networks: an aggregator a layer, skips to a fusion, and the fusion (Zhao, Yao & Tu, ICDE 2021).

x_0 = d(W_in X);  x_l = d(act(o_l(x_{l-1}, E))), l = 1..K;  s_l = x_l or 0, l < K;  s_K = x_K
output = W_out d'(ReLU(W f(s_1..s_K))),  with dropouts d, d'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, final

import torch.nn.functional as F
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.initialisation import initialise
from nascence.operations.graphs import AGGREGATORS, FUSIONS, Fusion, Nothing, build_aggregator
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice, Drawn
from nascence.spaces.node_networks import node_network
from nascence.spaces.ranges import LogUniform, Range, Values
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets.groups import ChoiceGroup
from nascence.supernets.mixed import MixedOperation, MixedSupernet
from nascence.tasks.base import Signature

_AGGREGATORS = tuple(AGGREGATORS.names())
_SKIPS = ("none", "skip")
_DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
_REFERENCES = {"gcn-jk": "gcn", "gat-jk": "gat", "sage-jk": "sage", "gin-jk": "gin"}


@dataclass(frozen=True, kw_only=True)
class GraphSize:
    """The size of a graph network, apart from its architecture.

    ``channels``: of every layer. ``dropout``: of the features that go into each layer. ``output_dropout``: before the
    classifier. ``heads``: of attention, each of channels / heads. ``attention_dropout``: of attention weights.
    ``activation``: after each aggregator. ``linear``: a linear map of the node itself beside each aggregator.
    ``norm``: layer normalisation after it. ``residual``: the features that go into a layer are added to what comes out.
    """

    channels: int = 64
    dropout: float = 0.5
    output_dropout: float = 0.5
    heads: int = 8
    attention_dropout: float = 0.5
    activation: Literal["relu", "elu"] = "elu"
    linear: bool = False
    norm: bool = False
    residual: bool = False

    def __post_init__(self) -> None:
        if self.channels < 1 or self.heads < 1 or self.channels % self.heads:
            raise SettingError(
                f"The heads share the channels: channels must be a multiple of heads, got {self.channels} and "
                f"{self.heads}."
            )
        for name in ("dropout", "output_dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}.")


@final
class Sane(RowwiseSpace):
    """K layers of one of 11 aggregators, K - 1 skips (the last layer always reaches the fusion), one of 3 fusions:
    11^K 2^(K-1) 3 architectures, 15,972 for K = 3.

    The text is the answers, commas within and bars between aggregators, skips and fusion:
    ``gcn,gat,sage|skip,none|l_concat``. ``references``: networks made by hand, each known by its name too: one
    aggregator in all layers, all skips, and the fusion l_concat (jumping knowledge). ``depth`` is K.
    """

    domain = "graph"
    size_class: ClassVar[type] = GraphSize
    preset_form: ClassVar[str] = "sane"
    networks: Mapping[str, Any] = {
        "evaluation": GraphSize(),
        "search": GraphSize(channels=32, dropout=0.3, output_dropout=0.3, attention_dropout=0.2),
        "search-small": GraphSize(channels=16, dropout=0.3, output_dropout=0.3, attention_dropout=0.2),
        "score": GraphSize(channels=32),
        "ranking": GraphSize(channels=32),
        "ranking-deep": GraphSize(channels=32),
    }

    tunable: Mapping[str, Range] = {
        "channels": Values((16, 32, 64, 128, 256)),
        "dropout": Values(_DROPOUTS),
        "output_dropout": Values(_DROPOUTS),
        "activation": Values(("relu", "elu")),
        "optimizer": Values(("adam", "adagrad")),
        "learning_rate": LogUniform(1e-3, 10**-1.5),
        "weight_decay": LogUniform(1e-5, 1e-3),
    }

    def __init__(self, depth: int = 3) -> None:
        self.depth = depth
        self.name = "sane" if depth == 3 else f"sane-{depth}"
        self.choices = (
            *(Choice(f"layer{at + 1}", _AGGREGATORS) for at in range(depth)),
            *(Choice(f"skip{at + 1}", _SKIPS) for at in range(depth - 1)),
            Choice("fusion", FUSIONS),
        )

    @cached_property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        names = [choice.name for choice in self.choices]
        skips = ChoiceGroup("skip", tuple(names[self.depth : -1]), _SKIPS, role="skip")
        return (
            ChoiceGroup("aggregator", tuple(names[: self.depth]), _AGGREGATORS),
            *((skips,) if skips.rows else ()),
            ChoiceGroup("fusion", ("fusion",), FUSIONS, role="fusion"),
        )

    @cached_property
    def references(self) -> dict[str, Architecture]:
        rest = ("skip",) * (self.depth - 1)
        return {
            name: Architecture(self.name, ((aggregator,) * self.depth + rest + ("l_concat",)))
            for name, aggregator in _REFERENCES.items()
        }

    def format(self, architecture: Architecture) -> str:
        parts = (architecture.answers[: self.depth], architecture.answers[self.depth : -1], architecture.answers[-1:])
        return "|".join(",".join(part) for part in parts)

    def parse(self, text: str) -> Architecture:
        text = text.strip()
        if text in self.references:
            return self.references[text]
        parts = text.split("|")
        if len(parts) != 3:
            raise ArchitectureError(
                f"'{text}' is no architecture of {self.name}; expected {self.depth} aggregators, {self.depth - 1} "
                f"skips and a fusion, such as {self.format(self.references['gcn-jk'])}, or a name: "
                f"{', '.join(self.references)}."
            )
        return self.architecture([word.strip() for part in parts for word in part.split(",") if word.strip()])

    def assemble(self, architecture: Architecture, network: GraphSize, signature: Signature) -> nn.Module:
        aggregators, skips = architecture.answers[: self.depth], architecture.answers[self.depth : -1]
        return GraphNetwork(
            signature,
            network,
            [GraphLayer(name, network) for name in aggregators],
            [_skip(name) for name in skips],
            Fusion(network.channels, self.depth, architecture.answers[-1]),
        )

    def unconnected(self, network: GraphSize, signature: Signature, *, seed: int = 0) -> nn.Module:
        return node_network(signature, network, self.depth, seed)

    def diagram(self, architecture: Architecture) -> tuple[Drawn, ...]:
        layers, skips = architecture.answers[: self.depth], architecture.answers[self.depth : -1]
        kept = [at for at, skip in enumerate((*skips, "skip"), start=1) if skip == "skip"]
        chain = (Drawn(name, (at,)) for at, name in enumerate(layers))
        fusion = Drawn(architecture.answers[-1], tuple(kept))
        return Drawn("features"), *chain, fusion, Drawn("classes", (self.depth + 1,))

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, GraphSize)
        with seeded_globally(derive_seed(seed, "construction")):
            layers = [
                MixedOperation("aggregator", row, [GraphLayer(name, network) for name in _AGGREGATORS])
                for row in range(self.depth)
            ]
            skips = [MixedOperation("skip", row, map(_skip, _SKIPS)) for row in range(self.depth - 1)]
            fusion = MixedOperation("fusion", 0, [Fusion(network.channels, self.depth, mode) for mode in FUSIONS])
            body = GraphNetwork(signature, network, layers, skips, fusion)
        initialise(body, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, body)


@final
class GraphLayer(nn.Module):
    """act(norm(o(x, E) + linear(x))) of an aggregator o; see :class:`GraphSize` for what else there may be."""

    def __init__(self, name: str, size: GraphSize) -> None:
        super().__init__()
        self.aggregator = build_aggregator(name, size.channels, size.heads, size.attention_dropout)
        self.linear = nn.Linear(size.channels, size.channels) if size.linear else None
        self.norm = nn.LayerNorm(size.channels) if size.norm else None
        self.activation = nn.ELU() if size.activation == "elu" else nn.ReLU()

    def forward(self, x_NC: Tensor, edges_2E: Tensor) -> Tensor:
        y_NC = self.aggregator(x_NC, edges_2E)
        if self.linear is not None:
            y_NC = y_NC + self.linear(x_NC)
        if self.norm is not None:
            y_NC = self.norm(y_NC)
        return self.activation(y_NC)


@final
class GraphNetwork(nn.Module):
    """Node features [N, F] and edges [2, E] from source to target, to outputs [N, K]."""

    def __init__(
        self,
        signature: Signature,
        size: GraphSize,
        layers: Iterable[nn.Module],
        skips: Iterable[nn.Module],
        fusion: nn.Module,
    ) -> None:
        super().__init__()
        self.dropout, self.output_dropout, self.residual = size.dropout, size.output_dropout, size.residual
        self.stem = nn.Linear(signature.features, size.channels)
        self.blocks, self.skips = nn.ModuleList(layers), nn.ModuleList(skips)
        self.fusion = fusion
        self.classifier = nn.Linear(size.channels, signature.outputs)

    def forward(self, x_NF: Tensor, edges_2E: Tensor) -> Tensor:
        x_NC = F.dropout(self.stem(x_NF), self.dropout, self.training)
        states = []
        for block in self.blocks:
            y_NC = F.dropout(block(x_NC, edges_2E), self.dropout, self.training)
            x_NC = x_NC + y_NC if self.residual else y_NC
            states.append(x_NC)
        kept = [skip(state) for skip, state in zip(self.skips, states, strict=False)]
        fused_NC = self.fusion([*kept, states[-1]])
        return self.classifier(F.dropout(fused_NC, self.output_dropout, self.training))


def _skip(name: str) -> nn.Module:
    return nn.Identity() if name == "skip" else Nothing()


def depth_1() -> Sane:
    return Sane(1)


def depth_2() -> Sane:
    return Sane(2)


def depth_4() -> Sane:
    return Sane(4)


def depth_5() -> Sane:
    return Sane(5)


def depth_6() -> Sane:
    return Sane(6)


__all__ = ["GraphLayer", "GraphNetwork", "GraphSize", "Sane"]
