"""The costs by the names that the user types."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from nascence.costs.counting import flops, params
from nascence.costs.inputs import Inputs, random_inputs
from nascence.costs.latency import evaluating
from nascence.costs.memory import memory_mib
from nascence.costs.runtimes import MODULE, SHIPPED, get_runtime
from nascence.costs.timing import take_turns
from nascence.registry import Registry
from nascence.tasks.base import Signature


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


def _latency_ms(module: nn.Module, inputs: Inputs) -> float:
    """Of images as the exported file in ONNX Runtime, of anything else in PyTorch."""
    images = inputs.domain == "images" if isinstance(inputs, Signature) else len(inputs) == 3
    runtime, example = get_runtime(SHIPPED if images else MODULE), random_inputs(inputs, 1)
    with evaluating(module), runtime.ready(None) as threads:
        call = runtime.call(module, example, threads, shipped=images)
        (passes,) = take_turns([call], repeats=30, warm_up=5, alone=threads == 1)
    return statistics.median(passes.ms)


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
    "Median of a forward pass of the exported file in ONNX Runtime (with --runtime torch, and of graphs: in PyTorch).",
    _latency_ms,
    device="this machine's CPU",
)

COSTS = Registry("cost", {cost.name: cost for cost in (PARAMS, FLOPS, MEMORY_MIB, LATENCY_MS)})

__all__ = ["COSTS", "FLOPS", "LATENCY_MS", "MEMORY_MIB", "PARAMS", "Cost"]
