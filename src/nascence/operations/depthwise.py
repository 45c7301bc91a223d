"""Depthwise convolutions with gradients that are quick on a CPU.

The library's gradient of a 5 x 5 depthwise kernel takes twenty times its forward pass, and with dilation so does that
of the input. Both are depthwise convolutions themselves, and those it computes quickly forwards. Its gradients of plain
3 x 3 kernels are quick already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _Depthwise(torch.autograd.Function):
    """y[b, c, p] = sum_t w[c, t] x[b, c, s p + d t] over taps t around the middle, zeros outside."""

    @staticmethod
    def forward(x_BCHW: Tensor, weight_C1KK: Tensor, stride: int, dilation: int) -> Tensor:
        return _convolve(x_BCHW, weight_C1KK, stride, dilation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.stride, ctx.dilation = inputs[2:]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x_BCHW, weight_C1KK = ctx.saved_tensors
        stride, dilation, size = ctx.stride, ctx.dilation, weight_C1KK.shape[-1]
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = input_gradient(gradient, x_BCHW.shape, weight_C1KK, stride, dilation)
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(gradient, x_BCHW, size, stride, dilation)
        return of_input, of_weight, None, None


def input_gradient(gradient: Tensor, shape: torch.Size, weight_C1KK: Tensor, stride: int, dilation: int) -> Tensor:
    """Of <gradient, y> in the input: zeros between the gradient's pixels, then the kernel turned around."""
    (batch, channels, height, width), (rows, columns) = shape, gradient.shape[2:]
    spread = gradient
    if stride > 1:
        spread = gradient.new_zeros(batch, channels, rows, stride, columns, stride)
        spread[:, :, :, 0, :, 0] = gradient
        spread = spread.reshape(batch, channels, rows * stride, columns * stride)[..., :height, :width]
    found: Tensor = _Depthwise.apply(spread, weight_C1KK.flip(2, 3), 1, dilation)
    return found


def weight_gradient(gradient: Tensor, x_BCHW: Tensor, size: int, stride: int, dilation: int) -> Tensor:
    """Of <gradient, y> in a kernel of ``size``: for every image and channel, the input convolved with the gradient."""
    (batch, channels, height, width), (rows, columns) = x_BCHW.shape, gradient.shape[2:]
    each = F.conv2d(
        x_BCHW.reshape(1, batch * channels, height, width),
        gradient.reshape(batch * channels, 1, rows, columns),
        stride=dilation,
        dilation=stride,
        padding=dilation * (size // 2),
        groups=batch * channels,
    )[..., :size, :size]
    return each.reshape(batch, channels, 1, size, size).sum(0)


def _convolve(x_BCHW: Tensor, weight_C1KK: Tensor, stride: int, dilation: int) -> Tensor:
    padding = dilation * (weight_C1KK.shape[-1] // 2)
    return F.conv2d(x_BCHW, weight_C1KK, None, stride, padding, dilation, len(weight_C1KK))


def depthwise_conv2d(x_BCHW: Tensor, weight_C1KK: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """A depthwise convolution, kernel size odd, padded so that only the stride changes the resolution (rounded up)."""
    small = weight_C1KK.shape[-1] <= 3 and dilation == 1
    if small or x_BCHW.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return _convolve(x_BCHW, weight_C1KK, stride, dilation)
    out: Tensor = _Depthwise.apply(x_BCHW, weight_C1KK, stride, dilation)
    return out


def is_depthwise(convolution: nn.Conv2d) -> bool:
    """Whether :func:`depthwise_conv2d` computes it."""
    kernel, stride, dilation = convolution.kernel_size, convolution.stride, convolution.dilation
    return (
        convolution.groups == convolution.in_channels == convolution.out_channels
        and convolution.bias is None
        and convolution.padding_mode == "zeros"
        and all(len(set(pair)) == 1 for pair in (kernel, stride, dilation))
        and kernel[0] % 2 == 1
        and convolution.padding == tuple(d * (k // 2) for d, k in zip(dilation, kernel, strict=True))
    )


@contextlib.contextmanager
def quick_depthwise(network: nn.Module) -> Iterator[None]:
    """Inside, the depthwise convolutions of ``network`` compute their gradients the quick way. The same up to rounding;
    not for gradients that are batched (``is_grads_batched``)."""
    changed = [module for module in network.modules() if type(module) is nn.Conv2d and is_depthwise(module)]
    for module in changed:
        module.forward = partial(_forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _forward(module: nn.Conv2d, x_BCHW: Tensor) -> Tensor:
    return depthwise_conv2d(x_BCHW, module.weight, module.stride[0], module.dilation[0])


__all__ = ["depthwise_conv2d", "input_gradient", "is_depthwise", "quick_depthwise", "weight_gradient"]
