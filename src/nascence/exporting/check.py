"""Whether an exported network computes what the original does, and how fast each is."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascence.errors import NascenceError
from nascence.seeding import generator

TOLERANCE = 1e-4
"""Largest difference, as a part of the largest output, at which an export counts as equal."""

UNTRAINED = "The weights are freshly initialised: this network is not trained."
"""What an export without training says of itself, in the file and to the user."""

Runtime = Callable[[Tensor], Tensor]


class ExportError(NascenceError):
    """An export that is not possible or does not compute what the original does."""


@dataclass(frozen=True)
class Latency:
    """Median time of one call. ``threads``: 0 for the runtime's own default."""

    runtime: str
    batch_size: int
    threads: int
    milliseconds: float


@dataclass(frozen=True)
class ExportCheck:
    """What was compared, on random images with values in [0, 1].

    ``max_difference``: largest absolute difference of an output; ``output_scale``: largest absolute output.
    ``trained``: whether the weights are more than an initialisation.
    """

    format: str
    path: Path
    batch_sizes: tuple[int, ...]
    max_difference: float
    output_scale: float
    latencies: tuple[Latency, ...] = ()
    trained: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: what a run's ``exports.json`` holds per format."""
        return {**asdict(self), "path": self.path.name, "batch_sizes": list(self.batch_sizes)}

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.batch_sizes))
        text = f"{self.path}: largest difference {self.max_difference:.2g} (outputs up to {self.output_scale:.3g})"
        text += f" at batch sizes {sizes}"
        for entry in self.latencies:
            threads = (
                f"{entry.threads} thread{'s' if entry.threads > 1 else ''}" if entry.threads else "default threads"
            )
            text += f"\n  {entry.runtime}: {entry.milliseconds:.2f} ms per batch of {entry.batch_size}, {threads}"
        return text if self.trained else f"{text}\n  {UNTRAINED}"


def compare(
    original: Runtime, exported: Runtime, input_shape: Sequence[int], batch_sizes: Sequence[int]
) -> tuple[float, float]:
    """(largest difference, largest output) over random images. Raises :class:`ExportError` above :data:`TOLERANCE`."""
    difference = scale = 0.0
    for size in batch_sizes:
        images = torch.rand(size, *input_shape, generator=generator(0, "export", size))
        with torch.no_grad():
            expected, got = original(images), exported(images)
        if expected.shape != got.shape:
            raise ExportError(
                f"The exported network returns {list(got.shape)} where the original returns {list(expected.shape)}."
            )
        gap = (expected - got).abs().max().item()
        if not gap < float("inf"):
            raise ExportError("The exported or the original network returns numbers that are not finite.")
        difference, scale = max(difference, gap), max(scale, expected.abs().max().item())
    if difference > TOLERANCE * max(scale, 1e-3):
        raise ExportError(
            f"The exported network differs from the original by {difference:.2g} (outputs up to {scale:.3g}, allowed "
            f"{TOLERANCE:g} of that); nothing was written."
        )
    return difference, scale


def median_ms(call: Callable[[], object], repeats: int = 20) -> float:
    """Median milliseconds of ``call`` after three calls that do not count."""
    times = []
    for at in range(repeats + 3):
        start = time.perf_counter()
        call()
        if at >= 3:
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def check_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) as integers. Raises :class:`ExportError` on anything else."""
    if len(input_shape) != 3 or not all(type(size) is int and size > 0 for size in input_shape):
        raise ExportError(f"An input shape is (channels, height, width), got {tuple(input_shape)}.")
    return input_shape[0], input_shape[1], input_shape[2]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """``network`` in evaluation mode; every module's own mode comes back after."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield network
    finally:
        for module, mode in modes.items():
            module.training = mode


class Normalised(nn.Module):
    """A network with the normalisation of its training in front: takes images with values in [0, 1].

    Without ``mean`` and ``std`` ([C] each) the images go to the network as they are.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.normalised = mean is not None and std is not None
        self.register_buffer("mean", torch.tensor(mean or (0.0,)).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std or (1.0,)).view(-1, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.network((x_BCHW - self.mean) / self.std if self.normalised else x_BCHW)


def check_normalisation(channels: int, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Raises :class:`ExportError` unless both are absent or have one usable value per channel."""
    if (mean is None) != (std is None):
        raise ExportError("A normalisation needs both 'mean' and 'std', or neither.")
    if mean is not None and std is not None:
        if len(mean) != channels or len(std) != channels:
            raise ExportError(f"'mean' and 'std' need {channels} values, one per channel; got {len(mean)}, {len(std)}.")
        if not all(type(value) in (int, float) and math.isfinite(value) for value in (*mean, *std)):
            raise ExportError("'mean' and 'std' are finite numbers, and nothing else.")
        if min(std) <= 0:
            raise ExportError(f"Every value of 'std' must be above 0, got {tuple(std)}.")


__all__ = ["TOLERANCE", "UNTRAINED", "ExportCheck", "ExportError", "Latency", "compare", "median_ms"]
