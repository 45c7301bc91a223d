"""Gradients of depthwise convolutions on a CPU: ours against the library's, and a step of a whole network with each.

    python benchmarks/depthwise_gradients.py [--batch 32] [--steps 7]

One thread, computing time, medians of alternating repetitions, fp32. A convolution's time is that of a forward and a
backward pass of kernel and input together; the difference is the largest one of either gradient in float64, relative to
its largest entry. The network is a random one of the space ``eg`` with 8 channels on 16 x 16 images.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nascence.operations.depthwise import quick_depthwise
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space

PLACES = ((8, 16), (16, 16), (32, 8), (64, 4))
KINDS = ((3, 1, 1), (3, 1, 2), (5, 1, 1), (5, 2, 1), (5, 1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("channels  pixels  kernel  stride  dilation  library (ms)  ours (ms)  times quicker  difference")
    for channels, size in PLACES:
        for kernel, stride, dilation in KINDS:
            padding = dilation * (kernel // 2)
            convolution = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, channels, bias=False)
            x_BCHW = torch.randn(options.batch, channels, size, size, generator=generator(0, channels))
            library, ours = both(convolution, x_BCHW, options.steps)
            print(
                f"{channels:8d}  {size:6d}  {kernel:6d}  {stride:6d}  {dilation:8d}  {1e3 * library:12.2f}  "
                f"{1e3 * ours:9.2f}  {library / ours:13.2f}  {difference(convolution, x_BCHW):10.1e}"
            )
    space = get_space("eg")
    architecture = space.sample(generator(0, "architecture"))
    network = space.build(architecture, network=NetworkConfig(channels=8), in_channels=3, num_classes=10)
    library, ours = both(network, torch.randn(options.batch, 3, 16, 16, generator=generator(0, "x")), options.steps)
    print(f"a step of a network: library {library:.3f} s, ours {ours:.3f} s: {library / ours:.2f} times quicker")


def both(module: nn.Module, x_BCHW: Tensor, steps: int) -> tuple[float, float]:
    """(seconds of a forward and a backward pass as the library has them, with ours)."""
    ways: list[Callable[[nn.Module], contextlib.AbstractContextManager[None]]]
    ways = [lambda _: contextlib.nullcontext(), quick_depthwise]
    times: list[list[float]] = [[], []]
    for _ in range(steps + 1):  # the first one warms up
        for way, seconds in zip(ways, times, strict=True):
            with way(module):
                began = time.process_time()
                passes(module, x_BCHW)
                seconds.append(time.process_time() - began)
    library, ours = (statistics.median(seconds[1:]) for seconds in times)
    return library, ours


def passes(module: nn.Module, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the first weight and of the input."""
    module.zero_grad()
    x_BCHW = x_BCHW.clone().requires_grad_()
    out = module(x_BCHW)
    F.mse_loss(out, torch.zeros_like(out)).backward()
    first = next(module.parameters()).grad
    assert first is not None
    assert x_BCHW.grad is not None
    return first, x_BCHW.grad


def difference(convolution: nn.Conv2d, x_BCHW: Tensor) -> float:
    exact = convolution.double()
    expected = passes(exact, x_BCHW.double())
    with quick_depthwise(exact):
        found = passes(exact, x_BCHW.double())
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected, strict=True))


if __name__ == "__main__":
    main()
