"""Edge normalisation: the edges into a node compete (Xu et al., PC-DARTS, ICLR 2020, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.relaxations.around import Around
from nascence.relaxations.base import Relaxation
from nascence.seeding import generator as seeded_generator
from nascence.supernets.groups import MixingWeights


@final
class EdgeNormalised(Around):
    """Another relaxation's weights, times softmax(b) over the incoming edges of each node.

    A parameter b_e per edge, ``<group>/edges`` [R], initially ``scale`` * N(0, 1). Architectures are derived from the
    products of both softmaxes, none excluded.
    """

    def __init__(self, inner: Relaxation, *, seed: int = 0, scale: float = 1e-3) -> None:
        self.space, self.inner = inner.space, inner
        self._nodes = {group.name: group.nodes for group in self.space.groups if group.nodes is not None}
        if not self._nodes:
            raise SettingError(
                f"Edge normalisation is about edges into nodes, and {self.space.name} has none; leave "
                "edge_normalisation at false."
            )
        self._edges = {
            name: (scale * torch.randn(len(nodes), generator=seeded_generator(seed, "edges", name))).requires_grad_()
            for name, nodes in self._nodes.items()
        }

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {**self.inner.parameters, **{f"{kind}/edges": value for kind, value in self._edges.items()}}

    def log_shares(self) -> dict[str, Tensor]:
        """log softmax(b) [R] over the edges into each node, per group."""
        shares = {}
        for name, value in self._edges.items():
            nodes = self._nodes[name]
            rows = [[at for at, node in enumerate(nodes) if node == target] for target in dict.fromkeys(nodes)]
            parts = torch.cat([value[into].log_softmax(0) for into in rows])
            order = [at for into in rows for at in into]
            shares[name] = parts if order == sorted(order) else parts[torch.tensor(order).argsort()]
        return shares

    def changed(self, weights: MixingWeights) -> MixingWeights:
        shares = self.log_shares()
        return {
            name: value * shares[name].exp()[:, None] if name in shares else value for name, value in weights.items()
        }

    def scores(self) -> dict[str, Tensor]:
        shares = self.log_shares()
        return {
            name: value + shares[name].detach()[:, None] if name in shares else value
            for name, value in self.inner.scores().items()
        }

    def optimizer_options(self, name: str) -> dict[str, Any]:
        return {} if name.endswith("/edges") else self.inner.optimizer_options(name)

    def state_dict(self) -> dict[str, Any]:
        edges = {kind: value.detach().clone() for kind, value in self._edges.items()}
        return {"inner": self.inner.state_dict(), "edges": edges}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"])
        with torch.no_grad():
            for kind, value in self._edges.items():
                value.copy_(state["edges"][kind])


__all__ = ["EdgeNormalised"]
