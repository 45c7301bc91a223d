"""Candidate operations of graph networks: aggregators [N, C] -> [N, C] along edges, and fusions of layers."""

from __future__ import annotations

from torch import nn

from nascence.operations.graphs.attention import Attention, Gathered
from nascence.operations.graphs.fusion import Fusion, Nothing
from nascence.operations.graphs.library import geometric
from nascence.registry import Registry

_LAYERS = "nascence.operations.graphs.layers"
AGGREGATORS = Registry(
    "aggregator",
    {
        "sage": f"{_LAYERS}:sage",
        "sage_sum": lambda channels, heads, dropout: Gathered(channels, "sum", dropout),
        "sage_max": lambda channels, heads, dropout: Gathered(channels, "max", dropout),
        "gcn": f"{_LAYERS}:gcn",
        "gin": f"{_LAYERS}:gin",
        "gat": f"{_LAYERS}:gat",
        "gat_sym": lambda channels, heads, dropout: Attention(channels, "sym", heads, dropout),
        "gat_cos": lambda channels, heads, dropout: Attention(channels, "cos", heads, dropout),
        "gat_linear": lambda channels, heads, dropout: Attention(channels, "linear", heads, dropout),
        "gat_gen_linear": lambda channels, heads, dropout: Attention(channels, "gen_linear", heads, dropout),
        "geniepath": f"{_LAYERS}:geniepath",
    },
)
"""The eleven of SANE (Zhao, Yao & Tu, ICDE 2021), in the authors' order."""
FUSIONS = ("l_concat", "l_max", "l_lstm")


def build_aggregator(name: str, channels: int, heads: int, dropout: float) -> nn.Module:
    """The aggregator called ``name``; ``heads`` and ``dropout`` (of attention weights) where it has any.

    Raises :class:`nascence.errors.UnknownNameError`, and :class:`nascence.errors.MissingExtraError` where it needs
    PyTorch Geometric and that is not installed.
    """
    module = AGGREGATORS.get(name)(channels, heads, dropout)
    assert isinstance(module, nn.Module)
    return module


__all__ = ["AGGREGATORS", "FUSIONS", "Attention", "Fusion", "Gathered", "Nothing", "build_aggregator", "geometric"]
