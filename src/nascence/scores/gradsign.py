"""GradSign (Zhang & Jia, ICLR 2022): on how many images the gradients of a weight agree in sign."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.scores.base import OfImages, OfNetwork, Probe, Score, is_constant
from nascence.scores.ntk import _per_sample_weight_gradient
from nascence.scores.passes import watching
from nascence.tasks.base import Batch


@final
@dataclass(frozen=True, kw_only=True)
class GradSign(OfNetwork, OfImages, Score):
    """sum over weights of | sum_n sign(d L_n / d w) |, L_n the loss of image n on its own.

    Batch normalisation in training mode then sees one image: it is instance normalisation, so one batch gives all
    images' gradients exactly, layer by layer. ``average`` over the weights that take part, instead of the sum.
    """

    name: ClassVar[str] = "gradsign"
    description: ClassVar[str] = "agreement in sign of the gradients of single images"
    source: ClassVar[str] = "arXiv 2110.08616"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    because: ClassVar[str] = "it compares the signs of single images' gradients"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"images": 64}

    average: bool = setting(False, "Over the weights that take part, instead of the sum.")

    def __call__(self, probe: Probe) -> float:
        network = probe.build(self.network, initialisation=self.initialisation)
        _normalise_single_images(network)
        x_BCHW, target = probe.images(self.images)
        uses: list[tuple[nn.Module, Tensor, Tensor]] = []
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        with watching(layers, lambda *use: uses.append(use)):
            try:
                output = network.train()(x_BCHW)
            except ValueError:
                height, width = probe.task.signature.size
                raise SettingError(
                    f"gradsign normalises every image on its own, and images of {height} x {width} shrink to one pixel "
                    f"in the network '{self.network}' of {probe.space.name}."
                ) from None
        if is_constant(output):
            return self.worst
        loss = probe.task.loss(output, Batch((x_BCHW,), target)) * len(x_BCHW)
        gradients = torch.autograd.grad(loss, [output for _, _, output in uses], allow_unused=True)
        per_weight: dict[nn.Module, Tensor] = {}
        with torch.no_grad():
            for (module, inputs, _), gradient in zip(uses, gradients, strict=True):
                if gradient is not None:
                    flat = _per_sample_weight_gradient(module, inputs, gradient).flatten(1)
                    per_weight[module] = per_weight[module] + flat if module in per_weight else flat
            agreement = torch.cat([flat.sign().sum(0).abs() for flat in per_weight.values()]).double()
        return self.finite(agreement.mean() if self.average else agreement.sum())


def _normalise_single_images(network: nn.Module) -> None:
    """Replace every batch normalisation by what it computes, in training mode, on a batch of one image."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                single = nn.InstanceNorm2d(child.num_features, eps=child.eps, affine=child.affine)
                single.weight, single.bias = child.weight, child.bias
                setattr(parent, name, single)


__all__ = ["GradSign"]
