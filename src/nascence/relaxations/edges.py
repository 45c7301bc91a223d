"""Edge normalisation: the edges into a node compete (Xu et al., PC-DARTS, ICLR 2020, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.relaxations.base import Relaxation
from nascence.schedules import Moment
from nascence.seeding import generator as seeded_generator
from nascence.supernets.groups import MixingWeights


@final
class EdgeNormalised(Relaxation):
    """Another relaxation's weights, times softmax(b) over the incoming edges of each node.

    A parameter b_e per edge, ``<kind>/edges`` [E], initially ``scale`` * N(0, 1). Architectures are derived from the
    products of both softmaxes, none excluded.
    """

    def __init__(self, inner: Relaxation, *, seed: int = 0, scale: float = 1e-3) -> None:
        self.space, self.inner = inner.space, inner
        edges = len(self.space.shape.edges)
        self._edges = {
            kind: (scale * torch.randn(edges, generator=seeded_generator(seed, "edges", kind))).requires_grad_()
            for kind in self.space.kinds
        }

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {**self.inner.parameters, **{f"{kind}/edges": value for kind, value in self._edges.items()}}

    def log_shares(self) -> dict[str, Tensor]:
        """log softmax(b) [E] over the edges into each node, per kind of cell."""
        shape = self.space.shape
        found = {}
        for kind, value in self._edges.items():
            nodes = [
                value[shape.edges_into(node)].log_softmax(0) for node in range(shape.inputs, shape.inputs + shape.nodes)
            ]
            found[kind] = torch.cat(nodes)  # edges are ordered by target
        return found

    def _scaled(self, weights: MixingWeights) -> MixingWeights:
        shares = self.log_shares()
        return {kind: value * shares[kind].exp()[:, None] for kind, value in weights.items()}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return self._scaled(self.inner.sample(generator))

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        return [self._scaled(weights) for weights in self.inner.samples(generator)]

    def mean(self) -> MixingWeights:
        return {kind: value.detach() for kind, value in self._scaled(self.inner.mean()).items()}

    def scores(self) -> dict[str, Tensor]:
        shares = self.log_shares()
        return {
            name: value + shares[name].detach()[:, None] if name in shares else value
            for name, value in self.inner.scores().items()
        }

    def logits(self) -> dict[str, Tensor]:
        return self.inner.logits()

    def begin(self, moment: Moment) -> None:
        self.inner.begin(moment)

    def keep(self, count: int) -> None:
        self.inner.keep(count)

    def optimizer_options(self, name: str) -> dict[str, Any]:
        return {} if name.endswith("/edges") else self.inner.optimizer_options(name)

    def observed(self) -> dict[str, float]:
        return self.inner.observed()

    def state_dict(self) -> dict[str, Any]:
        edges = {kind: value.detach().clone() for kind, value in self._edges.items()}
        return {"inner": self.inner.state_dict(), "edges": edges}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"])
        with torch.no_grad():
            for kind, value in self._edges.items():
                value.copy_(state["edges"][kind])


__all__ = ["EdgeNormalised"]
