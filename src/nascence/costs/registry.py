"""The costs by the names that the user types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from nascence.costs.counting import flops, params
from nascence.costs.inputs import Inputs
from nascence.costs.latency import latency_ms
from nascence.costs.memory import memory_mib
from nascence.registry import Registry


@dataclass(frozen=True)
class Cost:
    """``measure(module, inputs)`` gives the value in ``unit`` at ``batch`` images on ``device``; ``key`` is its
    name in results and budgets."""

    name: str
    unit: str
    description: str
    measure: Callable[[nn.Module, Inputs], float]
    device: str = "any device"
    batch: int = 1

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def title(self) -> str:
        """``latency-ms (ms, batch 1, CPU)``: with all that a number of it means."""
        return f"{self.name} ({self.unit}, batch {self.batch}, {self.device})"


PARAMS = Cost("params", "parameters", "Number of weights and biases.", lambda module, inputs: params(module))
FLOPS = Cost("flops", "FLOPs", "2 x MACs of convolutions and matrix products, batch 1, forward pass.", flops)
MEMORY_MIB = Cost(
    "memory-mib",
    "MiB",
    "Peak of the activations that are alive at once in a forward pass, batch 1, float32; weights not included.",
    memory_mib,
)
LATENCY_MS = Cost(
    "latency-ms",
    "ms",
    "Median of a forward pass on this machine's CPU, batch 1, evaluation mode.",
    lambda module, inputs: latency_ms(module, inputs).median_ms,
    device="this machine's CPU",
)

COSTS = Registry("cost", {cost.name: cost for cost in (PARAMS, FLOPS, MEMORY_MIB, LATENCY_MS)})

__all__ = ["COSTS", "FLOPS", "LATENCY_MS", "MEMORY_MIB", "PARAMS", "Cost"]
