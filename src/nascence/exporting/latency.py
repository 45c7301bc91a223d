"""Latency in ONNX Runtime, measured on this machine."""

from __future__ import annotations

from torch import nn

from nascence.costs.latency import LatencyMeasurement, processor_name, time_ms
from nascence.errors import SettingError
from nascence.exporting.check import Normalised, check_shape, evaluating
from nascence.exporting.onnx import graph, session
from nascence.libraries import onnx_runtime


def onnx_latency_ms(
    module: nn.Module,
    input_shape: tuple[int, ...],
    *,
    batch: int = 1,
    threads: int = 1,
    repeats: int = 30,
    warm_up: int = 5,
) -> LatencyMeasurement:
    """Measure a forward pass on random input [batch, *input_shape] by ONNX Runtime's CPU provider.

    The network is exported in memory, in evaluation mode. ``repeats`` passes on ``threads`` threads are timed after
    ``warm_up`` untimed ones. Raises :class:`SettingError` on counts below one.
    """
    import numpy as np

    for name, value, least in (("batch", batch, 1), ("threads", threads, 1), ("repeats", repeats, 1)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    shape = check_shape(input_shape)
    with evaluating(module):
        content = graph(Normalised(module, None, None).eval(), shape).SerializeToString()
    runtime = session(content, threads)
    images = np.random.default_rng(0).random((batch, *shape), dtype=np.float32)
    times = time_ms(lambda: runtime.run(["logits"], {"images": images}), repeats, warm_up)
    device = f"{processor_name()}, ONNX Runtime {onnx_runtime().__version__}"
    return LatencyMeasurement.of(times, batch=batch, threads=threads, device=device, warm_up=warm_up)


__all__ = ["onnx_latency_ms"]
