"""Latency in ONNX Runtime, measured on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.costs.latency import LatencyMeasurement
from nascence.costs.runtimes import SHIPPED, Runtime
from nascence.costs.timing import Call, Clock, take_turns
from nascence.engine.compute import processor_name
from nascence.errors import SettingError
from nascence.exporting.check import Normalised, check_shape, evaluating
from nascence.exporting.onnx import graph, quick_graph, session
from nascence.libraries import onnx_runtime


@final
class OnnxRuntime(Runtime):
    """ONNX Runtime's CPU provider. A call takes some microseconds before it computes anything, so operations are timed
    several together."""

    name: ClassVar[str] = SHIPPED
    title: ClassVar[str] = "ONNX Runtime"
    copies: ClassVar[int] = 8

    def device(self) -> str:
        return f"{processor_name()}, ONNX Runtime {onnx_runtime().__version__}"

    @contextmanager
    def ready(self, threads: int | None) -> Iterator[int]:
        yield threads or torch.get_num_threads()

    def call(self, module: nn.Module, inputs: Sequence[Tensor], threads: int, *, shipped: bool = False) -> Call:
        if not shipped:
            names = [f"input{number}" for number in range(len(inputs))]
            return _call(quick_graph(module, inputs, names), threads, dict(zip(names, inputs, strict=True)))
        (x_BCHW,) = inputs
        network = _with_normalisation(module, x_BCHW.shape[1])
        content = graph(network, check_shape(tuple(x_BCHW.shape[1:]))).SerializeToString()
        return _call(content, threads, {"images": x_BCHW})


def onnx_latency_ms(
    module: nn.Module,
    input_shape: tuple[int, ...],
    *,
    batch: int = 1,
    threads: int = 1,
    repeats: int = 30,
    warm_up: int = 5,
    clock: Clock | None = None,
) -> LatencyMeasurement:
    """Measure a forward pass on random input [batch, *input_shape] by ONNX Runtime's CPU provider.

    The network is exported in memory as it is shipped, in evaluation mode and with a normalisation in front.
    ``repeats`` passes on ``threads`` threads are timed after ``warm_up`` untimed ones, and again when other work
    disturbed them. Raises :class:`SettingError` on counts below one.
    """
    for name, value, least in (("batch", batch, 1), ("threads", threads, 1), ("repeats", repeats, 1)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    runtime = OnnxRuntime()
    images = torch.rand(batch, *check_shape(input_shape), generator=torch.Generator().manual_seed(0))
    with evaluating(module):
        call = runtime.call(module, (images,), threads, shipped=True)
    (passes,) = take_turns([call], repeats=repeats, warm_up=warm_up, alone=threads == 1, clock=clock)
    about: dict[str, Any] = {
        "threads": threads,
        "device": runtime.device(),
        "warm_up": warm_up,
        "runtime": runtime.name,
    }
    return LatencyMeasurement.of(passes, batch=batch, **about)


def _call(content: bytes, threads: int, inputs: Mapping[str, Tensor]) -> Call:
    loaded = session(content, threads)
    known = {one.name for one in loaded.get_inputs()}  # what a network does not look at is no input of its graph
    fed = {name: value.numpy() for name, value in inputs.items() if name in known}
    return lambda: loaded.run(None, fed)


def _with_normalisation(module: nn.Module, channels: int) -> nn.Module:
    """The values do not change what it costs."""
    return Normalised(module, (0.5,) * channels, (0.25,) * channels).eval()


__all__ = ["OnnxRuntime", "onnx_latency_ms"]
