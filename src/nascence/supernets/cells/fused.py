"""The operations of all edges that leave one node, computed together.

Edges with the same source apply the same kinds of operation to the same input. What has no parameters gives the same
output on all of them and is computed once; convolutions become one convolution with the channels of all edges side by
side. The numbers are those of separate modules; only the number of kernel launches and of reads of the input falls.

Shapes: T edges, C channels an edge. A fused tensor is [B, T * C, H, W], edge after edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.operations import FactorizedReduce
from nascence.operations.depthwise import depthwise_conv2d, is_depthwise

Active = Sequence[int] | None
"""Which of the T edges to compute; None for all."""


@final
class FusedConv2d(nn.Conv2d):
    """T convolutions side by side. ``shared_input``: they all read the same [B, C, H, W], else [B, T * C, H, W].

    ``quick``: depthwise ones by :func:`nascence.operations.depthwise.depthwise_conv2d`; see
    :func:`use_quick_gradients`.
    """

    def __init__(self, template: nn.Conv2d, copies: int, shared_input: bool) -> None:
        assert template.bias is None
        assert isinstance(template.padding, tuple)
        self.copies = copies
        self.shared_input = shared_input
        self.template_groups = template.groups
        self.quick = False
        self.depthwise = is_depthwise(template)
        self.active: Active = None
        super().__init__(
            template.in_channels * (1 if template.groups == 1 and shared_input else copies),
            template.out_channels * copies,
            template.kernel_size,  # type: ignore[arg-type]
            template.stride,  # type: ignore[arg-type]
            template.padding,  # type: ignore[arg-type]
            template.dilation,  # type: ignore[arg-type]
            groups=1 if template.groups == 1 and shared_input else template.groups * copies,
            bias=False,
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.convolve(x_BCHW, select_copies(self.weight, self.copies, self.active))

    def convolve(self, x_BCHW: Tensor, weight: Tensor) -> Tensor:
        """With the ``weight`` of the active edges, given from outside."""
        x_BCHW, groups = self.placed(x_BCHW, weight)
        if self.quick and self.depthwise and groups == len(weight):
            return depthwise_conv2d(x_BCHW, weight, self.stride[0], self.dilation[0])
        tiny = weight.shape[1] * x_BCHW.shape[2] * x_BCHW.shape[3] <= _TINY
        convolve = conv2d_as_product if tiny and not torch.is_grad_enabled() else nn.functional.conv2d
        return convolve(x_BCHW, weight, None, self.stride, self.padding, self.dilation, groups)

    def placed(self, x_BCHW: Tensor, weight: Tensor) -> tuple[Tensor, int]:
        """The input as often as the active edges of ``weight`` need it, and the number of groups."""
        used = weight.shape[0] * self.copies // self.weight.shape[0]
        groups = self.template_groups * used
        if self.shared_input:
            if self.template_groups == 1:
                groups = 1
            else:
                x_BCHW = x_BCHW.repeat(1, used, 1, 1)
        return x_BCHW, groups


_TINY = 64
"""Inputs of one output channel (channels of a group, times pixels) up to which a product beats the convolution."""


def conv2d_as_product(
    x_BCHW: Tensor,
    weight: Tensor,
    bias: None,
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """``torch.nn.functional.conv2d`` as a dense matrix product per group: on images of a few pixels, with a channel or
    two a group, the library's convolution is an order of magnitude slower. The matrices are the convolutions of the
    unit images."""
    batch, _, height, width = x_BCHW.shape
    units = torch.eye(weight.shape[1] * height * width, dtype=x_BCHW.dtype, device=x_BCHW.device)
    units = units.view(len(units), -1, height, width).repeat(1, groups, 1, 1)
    images = nn.functional.conv2d(units, weight, bias, stride, padding, dilation, groups)
    matrix_GIO = images.view(len(units), groups, -1).transpose(0, 1)
    out_GBO = x_BCHW.reshape(batch, groups, -1).transpose(0, 1) @ matrix_GIO
    return out_GBO.transpose(0, 1).reshape(batch, -1, *images.shape[2:])


@final
class FusedReLU(nn.ReLU):
    """The activation of T edges, of which those that read one input (``shared_input``) have the same signs.

    Of M networks side by side, some do without an edge that others have: ``runs`` [M, T'] says which network runs this
    on which active edge, None if all do. It leaves the output alone; who looks at the signs asks :meth:`own`.
    """

    def __init__(self, shared_input: bool) -> None:
        super().__init__()
        self.shared_input = shared_input
        self.runs: Tensor | None = None

    def own(self, signs_BCHW: Tensor) -> Tensor:
        """``signs_BCHW`` (booleans), false where a network does not run this activation."""
        if self.runs is None:
            return signs_BCHW
        runs_MT = self.runs.any(1, keepdim=True) if self.shared_input else self.runs
        signs_MNTCHW = signs_BCHW.unflatten(0, (len(runs_MT), -1)).unflatten(2, (runs_MT.shape[1], -1))
        return (signs_MNTCHW & runs_MT[:, None, :, None, None, None]).flatten(2, 3).flatten(0, 1)


class _SameLayout(torch.autograd.Function):
    """The identity, whose gradient has the memory layout of its value: mixed layouts are many times slower."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x_BCHW: Tensor) -> Tensor:
        return x_BCHW.view_as(x_BCHW)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous(memory_format=torch.channels_last)


@final
class FusedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of T * C channels, of which only those of the active edges may be there.

    ``scale``: the output of every active edge times its entry [T'], None for all ones. The product comes with the
    normalisation at no cost, and so does its gradient.
    """

    def __init__(self, template: nn.BatchNorm2d, copies: int) -> None:
        super().__init__(
            template.num_features * copies,
            affine=template.affine,
            track_running_stats=template.track_running_stats,
        )
        self.copies = copies
        self.active: Active = None
        self.scale: Tensor | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if self.active is None and self.scale is None:
            return super().forward(x_BCHW)
        weight, bias, mean, var = (
            None if value is None else select_copies(value, self.copies, self.active)
            for value in (self.weight, self.bias, self.running_mean, self.running_var)
        )
        if self.scale is not None:
            scale_C = self.scale.repeat_interleave(self.num_features // self.copies)
            weight = scale_C if weight is None else weight * scale_C
            bias = None if bias is None else bias * scale_C
        batch_statistics = self.training or mean is None
        out = nn.functional.batch_norm(
            x_BCHW, mean, var, weight, bias, batch_statistics, self.momentum or 0.0, self.eps
        )
        if channels_last(out):
            out = _SameLayout.apply(out)
        if self.training and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                if self.active is not None:  # the selection was a copy: write the new statistics back
                    assert mean is not None
                    assert var is not None
                    for whole, part in ((self.running_mean, mean), (self.running_var, var)):
                        parts = part.unflatten(0, (len(self.active), -1))
                        whole.unflatten(0, (self.copies, -1))[positions(self.active, whole.device)] = parts
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        return out


@final
class FusedFactorizedReduce(nn.Module):
    """T factorized reductions of one input."""

    def __init__(self, template: FactorizedReduce, copies: int) -> None:
        super().__init__()
        self.copies = copies
        self.relu = FusedReLU(shared_input=True)
        self.even = FusedConv2d(template.even, copies, True)
        self.odd = FusedConv2d(template.odd, copies, True)
        self.norm = FusedBatchNorm2d(template.norm, copies)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.relu(x_BCHW)
        shifted = nn.functional.pad(x_BCHW, (0, 1, 0, 1))[:, :, 1:, 1:]
        used = self.copies if self.even.active is None else len(self.even.active)
        halves = [part.unflatten(1, (used, -1)) for part in (self.even(x_BCHW), self.odd(shifted))]
        return self.norm(torch.cat(halves, dim=2).flatten(1, 2))


def _box_sum(x_BCHW: Tensor) -> Tensor:
    """The sum over 3 x 3 pixels, zeros outside. Separable additions are several times faster on a CPU than the
    library's average pooling; they add in place, as fresh memory costs more than the additions."""
    rows = x_BCHW.clone()
    rows[..., 1:].add_(x_BCHW[..., :-1])
    rows[..., :-1].add_(x_BCHW[..., 1:])
    boxes = rows.clone()
    boxes[..., 1:, :].add_(rows[..., :-1, :])
    boxes[..., :-1, :].add_(rows[..., 1:, :])
    return boxes


class _BoxSum(torch.autograd.Function):
    """Linear and its own adjoint."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x_BCHW: Tensor) -> Tensor:
        return _box_sum(x_BCHW)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _BoxSum.apply(gradient)


class _BoxMean(torch.autograd.Function):
    """:class:`_BoxSum` divided by ``counts_HW``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x_BCHW: Tensor, counts_HW: Tensor) -> Tensor:
        return _box_sum(x_BCHW).div_(counts_HW)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (counts_HW,) = ctx.saved_tensors
        return _BoxSum.apply(gradient / counts_HW), None


@final
class BoxAverage(nn.Module):
    """3 x 3 average pooling of stride 1 and padding 1, padded pixels not counted."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        height, width = (
            torch.full((size,), 3.0, dtype=x_BCHW.dtype, device=x_BCHW.device) for size in x_BCHW.shape[2:]
        )
        for counts in (height, width):  # a pixel at the border has one neighbour less, an only pixel two
            counts[0] -= 1
            counts[-1] -= 1
        return _BoxMean.apply(x_BCHW, height[:, None] * width)


def channels_last(x_BCHW: Tensor) -> bool:
    """Whether channels lie side by side in memory, and rows of them do not by chance."""
    return x_BCHW.is_contiguous(memory_format=torch.channels_last) and not x_BCHW.is_contiguous()


def is_fused(operation: nn.Module) -> bool:
    """Whether the output has the channels of all edges, or one edge's that serve them all."""
    return any(isinstance(module, FusedConv2d) for module in operation.modules())


def last_norm(operation: nn.Module) -> FusedBatchNorm2d | None:
    """The normalisation that a fused operation ends with, where it does."""
    if isinstance(operation, FusedFactorizedReduce):
        return last_norm(operation.norm)
    if isinstance(operation, nn.Sequential):
        return last_norm(operation[-1]) if len(operation) else None
    return operation if isinstance(operation, FusedBatchNorm2d) else None


def fuse(template: nn.Module, copies: int) -> nn.Module:
    """The T-fold version of an operation; without parameters, the operation itself (its output serves all edges).

    Raises ``TypeError`` for a module with parameters that it does not know how to fuse.
    """
    if _is_stateless(template):
        if isinstance(template, nn.Sequential) and len(template) > 1:
            return nn.Sequential(*(fuse(layer, copies) for layer in template))
        if isinstance(template, nn.ReLU):
            return FusedReLU(shared_input=True)
        return BoxAverage() if _is_box_average(template) else template
    if isinstance(template, FactorizedReduce):
        return FusedFactorizedReduce(template, copies)
    if not isinstance(template, nn.Sequential):
        raise TypeError(
            f"cannot fuse {type(template).__name__}: expected a sequence of convolutions and normalisations"
        )
    layers: list[nn.Module] = []
    shared_input = True
    for layer in template:
        if isinstance(layer, nn.Conv2d):
            layers.append(FusedConv2d(layer, copies, shared_input))
            shared_input = False
        elif isinstance(layer, nn.BatchNorm2d):
            if shared_input:
                raise TypeError("cannot fuse a normalisation before the first convolution")
            layers.append(FusedBatchNorm2d(layer, copies))
        elif isinstance(layer, nn.ReLU):
            layers.append(FusedReLU(shared_input))
        elif _is_stateless(layer):
            layers.append(layer)
        else:
            raise TypeError(f"cannot fuse {type(layer).__name__} within a sequence")
    return nn.Sequential(*layers)


def _is_stateless(template: nn.Module) -> bool:
    return not template.state_dict() and not any(isinstance(m, nn.BatchNorm2d) for m in template.modules())


def use_box_averages(network: nn.Module) -> nn.Module:
    """Replace every average pooling that :class:`BoxAverage` can stand for, in place. Returns the network."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.AvgPool2d) and _is_box_average(child):
                setattr(parent, name, BoxAverage())
    return network


def use_quick_gradients(network: nn.Module) -> nn.Module:
    """Let depthwise convolutions of a supernet compute gradients the quick way, in place. Returns the network.

    Not for gradients that are batched themselves (``is_grads_batched``), for which PyTorch lacks a rule there.
    """
    for module in network.modules():
        if isinstance(module, FusedConv2d):
            module.quick = True
    return network


def _is_box_average(template: nn.Module) -> bool:
    layers = list(template) if isinstance(template, nn.Sequential) else [template]
    pool = layers[0] if layers else None
    if not isinstance(pool, nn.AvgPool2d) or pool.count_include_pad or pool.divisor_override is not None:
        return False
    pair = nn.modules.utils._pair
    return [pair(pool.kernel_size), pair(pool.stride), pair(pool.padding)] == [(3, 3), (1, 1), (1, 1)]


def select_copies(value: Tensor, copies: int, active: Active) -> Tensor:
    """The rows of the active edges of a tensor whose first dimension is T * something."""
    if active is None:
        return value
    return value.unflatten(0, (copies, -1))[positions(active, value.device)].flatten(0, 1)


def positions(places: Sequence[int], device: torch.device) -> Any:
    """``places`` as an index of tensors on ``device``, where they are sent once and not whenever they are used: the
    device would have to be waited for."""
    return list(places) if device.type == "cpu" else _sent(tuple(places), device)


@lru_cache(maxsize=4096)
def _sent(places: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(places, dtype=torch.int64).to(device, non_blocking=True)


__all__ = [
    "Active",
    "FusedBatchNorm2d",
    "FusedConv2d",
    "FusedFactorizedReduce",
    "FusedReLU",
    "channels_last",
    "fuse",
    "is_fused",
    "last_norm",
    "positions",
    "select_copies",
    "use_box_averages",
    "use_quick_gradients",
]
