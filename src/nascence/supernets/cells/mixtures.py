"""Convolutions with a mixture of kernels, with gradients that are quick when only the shares are learned.

out = conv(x; sum_k share_k kernel_k), the smaller kernels with zeros around them. The architecture step wants the
gradient in the shares alone; it needs no gradient of the widest kernel, which is the dear one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

from nascence.operations import depthwise
from nascence.supernets.cells.fused import channels_last


@final
@dataclass(frozen=True)
class Geometry:
    """How a square kernel of ``kernel`` pixels moves; if :attr:`even`, only the stride changes the resolution."""

    kernel: int
    stride: int
    dilation: int
    groups: int
    padding: int

    @property
    def even(self) -> bool:
        return self.padding == self.dilation * (self.kernel // 2) and self.kernel % 2 == 1

    def narrowed(self, kernel: int) -> Geometry:
        """For a smaller kernel around the same pixels."""
        return replace(self, kernel=kernel, padding=self.padding - self.dilation * (self.kernel - kernel) // 2)

    def convolve(self, x_BCHW: Tensor, weight: Tensor) -> Tensor:
        return conv2d(x_BCHW, weight, None, self.stride, self.padding, self.dilation, self.groups)

    def depthwise(self, x_BCHW: Tensor) -> bool:
        """Whether :mod:`nascence.operations.depthwise` applies: a channel in and out per group, even padding."""
        return self.groups == x_BCHW.shape[1] and self.even

    def input_gradient(self, gradient_BCHW: Tensor, x_BCHW: Tensor, weight: Tensor) -> Tensor:
        """Of <gradient, convolve(x, weight)> in x."""
        if self.depthwise(x_BCHW) and len(weight) == self.groups:
            return depthwise.input_gradient(gradient_BCHW, x_BCHW.shape, weight, self.stride, self.dilation)
        return self._backward(gradient_BCHW, x_BCHW, weight, 0)

    def weight_gradient(self, gradient_BCHW: Tensor, x_BCHW: Tensor, weight: Tensor) -> Tensor:
        """Of <gradient, convolve(x, weight)> in the weight, of which only the shape matters."""
        if self.depthwise(x_BCHW) and len(weight) == self.groups:
            return depthwise.weight_gradient(gradient_BCHW, x_BCHW, self.kernel, self.stride, self.dilation)
        return self._backward(gradient_BCHW, x_BCHW, weight, 1)

    def _backward(self, gradient: Tensor, x: Tensor, weight: Tensor, which: int) -> Tensor:
        mask = [which == 0, which == 1, False]
        found = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            None,
            [self.stride] * 2,
            [self.padding] * 2,
            [self.dilation] * 2,
            False,
            [0, 0],
            self.groups,
            mask,
        )
        return found[which]


_LEAST_SHARE = 0.01


@final
class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, shares_TM: Tensor, geometry: Geometry, *kernels: Tensor) -> Tensor:
        merged = merge(shares_TM, kernels)
        out_BCHW = geometry.convolve(x_BCHW, merged)
        ctx.save_for_backward(x_BCHW, shares_TM, out_BCHW, merged, *kernels)
        ctx.geometry = geometry
        return out_BCHW

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x_BCHW, shares_TM, out_BCHW, merged, *kernels = ctx.saved_tensors
        geometry: Geometry = ctx.geometry
        edges = len(shares_TM)
        of_input, of_shares, _, *of_kernels = ctx.needs_input_grad
        layout = torch.channels_last if channels_last(x_BCHW) else torch.contiguous_format
        gradient = gradient.contiguous(memory_format=layout)
        dx = geometry.input_gradient(gradient, x_BCHW, merged) if of_input else None
        if not of_shares and not any(of_kernels):
            return dx, None, None, *(None for _ in kernels)
        widest = [at for at, kernel in enumerate(kernels) if kernel.shape[-1] == geometry.kernel]
        # asked on the CPU alone: another device would be waited for, and is quick at the widest kernel, too
        alone = (
            len(widest) == 1 and shares_TM.device.type == "cpu" and float(shares_TM[:, widest[0]].min()) > _LEAST_SHARE
        )
        if not any(of_kernels) and alone:
            # out = sum_k share_k conv(x, kernel_k): the widest has what the others leave of <gradient, out>
            dshares = torch.zeros_like(shares_TM)
            left_T = (gradient * out_BCHW).sum((0, 2, 3)).view(edges, -1).sum(1)
            for at, kernel in enumerate(kernels):
                if at != widest[0]:
                    of_kernel = geometry.narrowed(kernel.shape[-1]).weight_gradient(gradient, x_BCHW, kernel)
                    dshares[:, at] = (of_kernel * kernel).view(edges, -1).sum(1)
                    left_T = left_T - shares_TM[:, at] * dshares[:, at]
            dshares[:, widest[0]] = left_T / shares_TM[:, widest[0]]
            return dx, dshares, None, *(None for _ in kernels)
        of_merged = geometry.weight_gradient(gradient, x_BCHW, merged)
        dshares, found = torch.zeros_like(shares_TM), []
        for at, kernel in enumerate(kernels):
            margin = (geometry.kernel - kernel.shape[-1]) // 2
            of_kernel = of_merged[:, :, margin : margin + kernel.shape[-1], margin : margin + kernel.shape[-1]]
            dshares[:, at] = (of_kernel * kernel).reshape(edges, -1).sum(1)
            found.append(of_kernel * per_channel(shares_TM[:, at], kernel))
        return dx, dshares, None, *found


def per_channel(values_T: Tensor, kernel: Tensor) -> Tensor:
    """One number per edge as one per output channel, ready to be multiplied with a kernel of T edges."""
    return values_T.repeat_interleave(len(kernel) // len(values_T)).to(kernel)[:, None, None, None]


def merge(shares_TM: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """sum_k share_k kernel_k, the smaller ones with zeros around them to the size of the largest."""
    size = max(kernel.shape[-1] for kernel in kernels)
    total = kernels[0].new_zeros(*kernels[0].shape[:2], size, size)
    for at, kernel in enumerate(kernels):
        total = total + pad(kernel * per_channel(shares_TM[:, at], kernel), [(size - kernel.shape[-1]) // 2] * 4)
    return total


def convolve_mixture(x_BCHW: Tensor, shares_TM: Tensor, kernels: Sequence[Tensor], geometry: Geometry) -> Tensor:
    """``geometry.convolve(x, merge(shares, kernels))`` with quick gradients, which cannot be differentiated again."""
    return _Mixture.apply(x_BCHW, shares_TM, geometry, *kernels)


__all__ = ["Geometry", "convolve_mixture", "merge"]
