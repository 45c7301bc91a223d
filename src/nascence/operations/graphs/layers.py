"""Aggregators out of PyTorch Geometric's layers. Importing this module needs the extra ``graphs``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascence.operations.graphs.library import geometric

_conv = geometric().nn


class GeniePath(nn.Module):
    """A bias-free LSTM cell, from a state of zero, on tanh of attention in one head (after Liu et al., AAAI 2019).

    Unlike the original, no state goes from layer to layer: so does SANE's own code.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.channels, self.dropout = channels, dropout
        self.breadth = _conv.GATConv(channels, channels, heads=1, dropout=dropout)
        self.depth = nn.LSTM(channels, channels, bias=False)

    def forward(self, x_NC: Tensor, edges_2E: Tensor) -> Tensor:
        wide_NC = torch.tanh(self.breadth(x_NC, edges_2E))
        return self.depth(wide_NC[None])[0][0]


def gcn(channels: int, heads: int, dropout: float) -> nn.Module:
    return _conv.GCNConv(channels, channels)


def gat(channels: int, heads: int, dropout: float) -> nn.Module:
    return _conv.GATConv(channels, channels // heads, heads=heads, dropout=dropout)


def sage(channels: int, heads: int, dropout: float) -> nn.Module:
    return _conv.SAGEConv(channels, channels, normalize=True)


def gin(channels: int, heads: int, dropout: float) -> nn.Module:
    return _conv.GINConv(nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)))


def geniepath(channels: int, heads: int, dropout: float) -> nn.Module:
    return GeniePath(channels, dropout)


__all__ = ["GeniePath", "gat", "gcn", "geniepath", "gin", "sage"]
