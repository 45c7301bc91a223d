"""The costs by the names that the user types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from nascence.costs.counting import flops, params
from nascence.costs.latency import latency_ms
from nascence.registry import Registry


@dataclass(frozen=True)
class Cost:
    """``measure(module, input_shape)`` gives the value in ``unit``; ``key`` is its name in results and budgets."""

    name: str
    unit: str
    description: str
    measure: Callable[[nn.Module, tuple[int, ...]], float]

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


PARAMS = Cost("params", "parameters", "Number of weights and biases.", lambda module, input_shape: params(module))
FLOPS = Cost("flops", "FLOPs", "2 x MACs of convolutions and matrix products, batch 1, forward pass.", flops)
LATENCY_MS = Cost(
    "latency-ms",
    "ms",
    "Median of a forward pass on this machine's CPU, batch 1, evaluation mode.",
    lambda module, input_shape: latency_ms(module, input_shape).median_ms,
)

COSTS = Registry("cost", {cost.name: cost for cost in (PARAMS, FLOPS, LATENCY_MS)})

__all__ = ["COSTS", "FLOPS", "LATENCY_MS", "PARAMS", "Cost"]
