"""Networks that look at every node of a graph by itself: what a graph network is to be compared with."""

from __future__ import annotations

from typing import Any, final

import torch.nn.functional as F
from torch import Tensor, nn

from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.tasks.base import Signature


@final
class NodeNetwork(nn.Module):
    """x_0 = d(W_in X);  x_l = d(act(norm(W_l x_{l-1}))), l = 1..``layers``;  output = W_out d'(x_K).

    Widths, dropouts, activation, norm and residual sums are those of a graph network's size
    (:class:`nascence.spaces.sane.GraphSize`). Takes edges as graph networks do, and does nothing with them.
    """

    def __init__(self, signature: Signature, size: Any, layers: int) -> None:
        super().__init__()
        channels = size.channels
        self.dropout, self.output_dropout, self.residual = size.dropout, size.output_dropout, size.residual
        self.stem = nn.Linear(signature.features, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, channels),
                nn.LayerNorm(channels) if size.norm else nn.Identity(),
                nn.ELU() if size.activation == "elu" else nn.ReLU(),
            )
            for _ in range(layers)
        )
        self.classifier = nn.Linear(channels, signature.outputs)

    def forward(self, x_NF: Tensor, edges_2E: Tensor) -> Tensor:
        x_NC = F.dropout(self.stem(x_NF), self.dropout, self.training)
        for block in self.blocks:
            y_NC = F.dropout(block(x_NC), self.dropout, self.training)
            x_NC = x_NC + y_NC if self.residual else y_NC
        return self.classifier(F.dropout(x_NC, self.output_dropout, self.training))


def node_network(signature: Signature, size: Any, layers: int, seed: int) -> nn.Module:
    """A :class:`NodeNetwork` whose weights follow from ``seed``; the global generator is left alone."""
    with seeded_globally(derive_seed(seed, "construction")):
        module = NodeNetwork(signature, size, layers)
    return initialise(module, "default", generator(seed, "weights"))


__all__ = ["NodeNetwork", "node_network"]
