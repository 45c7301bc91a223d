"""Candidate operations, each defined once. All map [B, C, H, W] to [B, C', H', W'].

``OPERATIONS`` builds one by its name in the field; see :func:`build_operation`.
"""

from __future__ import annotations

from torch import nn

from nascence.operations.convolutions import (
    DilatedConv,
    FactorizedReduce,
    LightSeparableConv,
    NormConfig,
    ReLUConvBN,
    SeparableConv,
)
from nascence.operations.inverted_residuals import ConvBN, InvertedResidual
from nascence.operations.pooling import Pooling
from nascence.operations.trivial import Zero
from nascence.registry import Registry

OPERATIONS = Registry(
    "operation",
    {
        "none": lambda i, o, s, norm: Zero(o, s),
        "skip_connect": lambda i, o, s, norm: nn.Identity() if s == 1 else FactorizedReduce(i, o, norm),
        "nor_conv_1x1": lambda i, o, s, norm: ReLUConvBN(i, o, 1, s, norm),
        "nor_conv_3x3": lambda i, o, s, norm: ReLUConvBN(i, o, 3, s, norm),
        "sep_conv_3x3": lambda i, o, s, norm: SeparableConv(i, o, 3, s, norm),
        "sep_conv_5x5": lambda i, o, s, norm: SeparableConv(i, o, 5, s, norm),
        "light_sep_conv_3x3": lambda i, o, s, norm: LightSeparableConv(i, o, 3, s, norm),
        "light_sep_conv_5x5": lambda i, o, s, norm: LightSeparableConv(i, o, 5, s, norm),
        "dil_conv_3x3": lambda i, o, s, norm: DilatedConv(i, o, 3, s, norm),
        "dil_conv_5x5": lambda i, o, s, norm: DilatedConv(i, o, 5, s, norm),
        "avg_pool_3x3": lambda i, o, s, norm: Pooling("avg", s),
        "max_pool_3x3": lambda i, o, s, norm: Pooling("max", s),
    },
)


def build_operation(name: str, in_channels: int, out_channels: int, stride: int, norm: NormConfig) -> nn.Module:
    """The operation called ``name``. Raises :class:`nascence.errors.UnknownNameError`.

    ``stride`` 1 keeps the resolution, 2 halves it. Pooling and (at stride 1) ``skip_connect`` need equal channels.
    """
    module = OPERATIONS.get(name)(in_channels, out_channels, stride, norm)
    assert isinstance(module, nn.Module)
    return module


__all__ = [
    "OPERATIONS",
    "ConvBN",
    "DilatedConv",
    "FactorizedReduce",
    "InvertedResidual",
    "LightSeparableConv",
    "NormConfig",
    "Pooling",
    "ReLUConvBN",
    "SeparableConv",
    "Zero",
    "build_operation",
]
