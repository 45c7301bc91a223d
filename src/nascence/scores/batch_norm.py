"""Batch normalisation while scoring: three conventions, and several networks side by side in one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn

from nascence.errors import UnknownNameError
from nascence.supernets.cells.fused import Active, select_copies

BatchNormMode = Literal["train", "frozen", "eval"]
MODES: tuple[str, ...] = get_args(BatchNormMode)


@final
class ScoringBatchNorm(nn.Module):
    """Normalises with the statistics of the batch; what gradients see of them is the ``mode``.

    ``train``: the statistics depend on the inputs, as in training. ``frozen``: the same numbers, held constant.
    ``eval``: constants as well, the running statistics after one forward in training mode, momentum 0.1 from (0, 1);
    that forward is :func:`calibrate`, to be called for every batch.
    ``groups``: the batch [M * N, C, H, W] holds M independent networks' inputs, each with statistics of its own.
    ``normalised`` keeps the output before scale and shift, for the derivative with respect to the scale.
    """

    def __init__(self, norm: nn.BatchNorm2d, mode: str) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.mode = mode
        self.groups = 1
        self.copies = getattr(norm, "copies", 1)
        self.active: Active = None
        self.calibrating = False
        self.running: tuple[Tensor, Tensor] | None = None
        self.normalised: Tensor | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_MNCHW = x_BCHW.unflatten(0, (self.groups, -1))
        if self.mode == "eval" and not self.calibrating:
            assert self.running is not None, "statistics of another batch: calibrate first"
            mean, var = self.running
        else:
            source = x_MNCHW if self.mode == "train" else x_MNCHW.detach()
            mean = source.mean((3, 4), keepdim=True).mean(1, keepdim=True)
            var = (source - mean).square().mean((3, 4), keepdim=True).mean(1, keepdim=True)
        if self.calibrating:
            count = x_MNCHW[0, :, 0].numel()
            self.running = 0.1 * mean, 0.9 + 0.1 * var * count / max(count - 1, 1)
        normalised = ((x_MNCHW - mean) * torch.rsqrt(var + self.eps)).flatten(0, 1)
        self.normalised = normalised
        if self.weight is None:
            return normalised
        weight, bias = (select_copies(v, self.copies, self.active)[:, None, None] for v in (self.weight, self.bias))
        return normalised * weight + bias


def replace_batch_norm(network: nn.Module, mode: str) -> nn.Module:
    """Replace every ``nn.BatchNorm2d`` in place; scale and shift stay the same parameters. Returns the network."""
    if mode not in MODES:
        raise UnknownNameError("batch-norm mode", mode, MODES)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, ScoringBatchNorm(child, mode))
    return network


def calibrate(network: nn.Module, forward: Callable[[Tensor], Tensor], x_BCHW: Tensor) -> None:
    """Where the mode is ``eval``, set the running statistics by one forward of the batch in training mode."""
    norms = [m for m in network.modules() if isinstance(m, ScoringBatchNorm) and m.mode == "eval"]
    if not norms:
        return
    for norm in norms:
        norm.calibrating = True
    try:
        with torch.no_grad():
            forward(x_BCHW)
    finally:
        for norm in norms:
            norm.calibrating = False


def set_groups(network: nn.Module, groups: int) -> None:
    """Say how many networks' inputs the next batches hold."""
    for module in network.modules():
        if isinstance(module, ScoringBatchNorm):
            module.groups = groups
