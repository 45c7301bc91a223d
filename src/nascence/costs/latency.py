"""Latency measured on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nascence.costs.inputs import Inputs, random_inputs
from nascence.costs.timing import Clock, Passes, take_turns
from nascence.engine.compute import CPU, ON_CPU, Compute, device_title
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError


@dataclass(frozen=True)
class LatencyMeasurement:
    """Milliseconds of a forward pass: median and inter-quartile range over ``repeats`` after ``warm_up`` passes that do
    not count, what it was measured in and on, and what other work did to it (:class:`nascence.costs.timing.Passes`)."""

    median_ms: float
    iqr_ms: float
    batch: int
    threads: int
    device: str
    repeats: int = 1
    warm_up: int = 0
    runtime: str = "torch"
    interrupted: float = 0.0
    slowdown: float = 1.0

    @classmethod
    def of(
        cls, passes: Passes, *, batch: int, threads: int, device: str, warm_up: int, runtime: str = "torch"
    ) -> LatencyMeasurement:
        """From the milliseconds of each pass."""
        times = passes.ms
        quartiles = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else [times[0]] * 3
        spread = quartiles[2] - quartiles[0]
        noise = (passes.interrupted, passes.slowdown)
        return cls(statistics.median(times), spread, batch, threads, device, len(times), warm_up, runtime, *noise)

    @property
    def disturbed(self) -> str:
        """What disturbed the measurement, even when it was repeated, in words; empty when nothing did."""
        return Passes((), self.interrupted, self.slowdown).disturbed

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: all but the median, with ``disturbed`` where something did."""
        values = {name: value for name, value in vars(self).items() if name != "median_ms"}
        return {**values, **({"disturbed": self.disturbed} if self.disturbed else {})}

    def __str__(self) -> str:
        told = f"; disturbed by other work: {self.disturbed}" if self.disturbed else ""
        return (
            f"{self.median_ms:.3g} ms (inter-quartile range {self.iqr_ms:.2g}) at batch {self.batch}, "
            f"{self.threads} thread{'s' * (self.threads != 1)}, {self.device}{told}"
        )


def latency_ms(
    module: nn.Module,
    inputs: Inputs,
    *,
    batch: int = 1,
    threads: int | None = None,
    repeats: int = 30,
    warm_up: int = 5,
    clock: Clock | None = None,
    compute: Compute | None = None,
) -> LatencyMeasurement:
    """Measure a forward pass in PyTorch on random inputs, ``batch`` images or one graph, in evaluation mode, on the
    device of ``compute`` (None: the CPU), which has done all of a pass before the next one begins. The module stays
    there.

    ``threads`` of PyTorch for the measurement alone, None for its current number. ``repeats`` passes are timed after
    ``warm_up`` untimed ones, and again when other work disturbed them. The module's modes are restored. Raises
    :class:`SettingError` on counts below one.
    """
    if batch < 1:
        raise SettingError(f"batch must be at least 1, not {batch}.")
    options: dict[str, Any] = {"threads": threads, "repeats": repeats, "warm_up": warm_up, "clock": clock}
    return _latencies([module], inputs, batch, compute=compute or ON_CPU, **options)[0]


def latencies_in_turn(
    modules: Sequence[nn.Module],
    inputs: Inputs,
    *,
    threads: int | None = None,
    repeats: int = 30,
    warm_up: int = 5,
    clock: Clock | None = None,
) -> list[LatencyMeasurement]:
    """:func:`latency_ms` of several modules at the same time, at batch 1: a few passes of each in turn, so that a
    machine that becomes slower does so for all of them. Each turn begins with a pass that is not timed."""
    options: dict[str, Any] = {"threads": threads, "repeats": repeats, "warm_up": warm_up, "clock": clock}
    return _latencies(modules, inputs, 1, compute=ON_CPU, **options)


def _latencies(
    modules: Sequence[nn.Module],
    inputs: Inputs,
    batch: int,
    *,
    threads: int | None,
    repeats: int,
    warm_up: int,
    clock: Clock | None,
    compute: Compute,
) -> list[LatencyMeasurement]:
    for name, value, least in (("repeats", repeats, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    example = compute.place(random_inputs(inputs, batch))
    with ExitStack() as stack:
        used = stack.enter_context(compute_threads(threads))
        for module in modules:
            stack.enter_context(evaluating(module))
        stack.enter_context(torch.inference_mode())
        calls = [passing(compute, compute.place(module), example) for module in modules]
        alone = used == 1 and compute.on_cpu
        found = take_turns(calls, repeats=repeats, warm_up=warm_up, alone=alone, clock=clock)
    about: dict[str, Any] = {"threads": used, "device": device_name(compute.device), "warm_up": warm_up}
    return [LatencyMeasurement.of(passes, batch=batch, **about) for passes in found]


def passing(compute: Compute, module: nn.Module, inputs: Sequence[Tensor]) -> Callable[[], object]:
    """A forward pass after which the device has nothing left to do; module and inputs are there."""
    if compute == ON_CPU:
        return partial(module, *inputs)

    def call() -> None:
        with compute.autocast():
            module(*inputs)
        compute.synchronise()

    return call


def device_name(device: torch.device = CPU) -> str:
    """The device's name as its maker gives it, with the PyTorch version."""
    return f"{device_title(device)}, PyTorch {torch.__version__}"


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


__all__ = [
    "LatencyMeasurement",
    "device_name",
    "evaluating",
    "latencies_in_turn",
    "latency_ms",
    "passing",
]
