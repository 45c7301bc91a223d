"""VKDNW (Tybl & Neumann, CVPR 2025): the spectrum of the Fisher information of a few weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from nascence.scores.base import OfImages, OfNetwork, Probe, Score
from nascence.scores.passes import watching

_MIXED = 0.05
"""The share of the uniform distribution that is mixed into the predicted one."""
_NORMALISED = nn.Conv2d | nn.Linear | nn.BatchNorm2d


@dataclass(frozen=True, kw_only=True)
class _VKDNW(OfNetwork, OfImages, Score):
    @final
    def entropy(self, probe: Probe) -> float:
        """The entropy [nats] of the normalised deciles of F's eigenvalues; NaN where all deciles are zero."""

        def compute() -> float:
            network = probe.build(self.network, initialisation=self.initialisation).eval()
            values = torch.linalg.eigvalsh(fisher_matrix(network, probe.noise(self.images)[0])).clamp(min=0)
            deciles = torch.quantile(values, torch.arange(1, 10, dtype=values.dtype, device=values.device) / 10)
            return float(torch.special.entr(deciles / deciles.sum()).sum())

        return probe.shared(("vkdnw", self.network, self.images, self.initialisation), compute)


@final
@dataclass(frozen=True, kw_only=True)
class VKDNWEntropy(_VKDNW):
    """Entropy of the nine deciles, normalised, of the eigenvalues of the Fisher matrix: at most log 9.

    F = mean_n J_n^T (diag(p) - p p^T) J_n over the first entry of every parameter tensor, J_n the derivatives of image
    n's outputs, p its softmax with 5 % of the uniform distribution mixed in. Standard normal inputs; evaluation mode
    with fresh statistics, which is to say no normalisation.
    """

    name: ClassVar[str] = "vkdnw-entropy"
    description: ClassVar[str] = "VKDNW: entropy of the Fisher information's spectrum"
    source: ClassVar[str] = "arXiv 2502.04975"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def __call__(self, probe: Probe) -> float:
        return self.finite(self.entropy(probe))


@final
@dataclass(frozen=True, kw_only=True)
class VKDNW(_VKDNW):
    """VKDNW_single: the number of parameter tensors, its ties broken by adding the entropy of :class:`VKDNWEntropy`."""

    name: ClassVar[str] = "vkdnw"
    description: ClassVar[str] = "VKDNW_single: number of parameter tensors plus the entropy of the Fisher spectrum"
    source: ClassVar[str] = "arXiv 2502.04975"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def __call__(self, probe: Probe) -> float:
        tensors = len(list(probe.network(self.network, initialisation=self.initialisation).parameters()))
        return self.finite(tensors + self.entropy(probe))


def fisher_matrix(network: nn.Module, x_BCHW: Tensor) -> Tensor:
    """F [P, P] in float64 over the first entries of the P parameter tensors of a network in evaluation mode.

    Samples are independent there, so that one backward per class gives every image's derivative.
    """
    uses: list[tuple[nn.Module, Tensor, Tensor]] = []
    layers = [module for module in network.modules() if isinstance(module, _NORMALISED)]
    with watching(layers, lambda *use: uses.append(use)):
        output = network(x_BCHW)
    outputs = [each for _, _, each in uses]
    jacobian = []  # per class, [B, P]
    for of_class in output.sum(0):
        columns: dict[nn.Parameter, Tensor] = {
            parameter: output.new_zeros(len(output)) for parameter in network.parameters()
        }
        gradients = torch.autograd.grad(of_class, outputs, retain_graph=True, allow_unused=True)
        for (module, inputs, _), gradient in zip(uses, gradients, strict=True):
            if gradient is not None:
                for parameter, column in _first_entries(module, inputs.detach(), gradient):
                    columns[parameter] = columns[parameter] + column
        jacobian.append(torch.stack(list(columns.values()), dim=1))
    jacobian_BKP = torch.stack(jacobian, dim=1).double()
    share_BK = output.detach().double().softmax(1) * (1 - _MIXED) + _MIXED / output.shape[1]
    mean_BP = (share_BK[:, :, None] * jacobian_BKP).sum(1)
    rows = (share_BK.sqrt()[:, :, None] * jacobian_BKP).flatten(0, 1)
    return (rows.mT @ rows - mean_BP.mT @ mean_BP) / len(output)


def _first_entries(module: nn.Module, inputs: Tensor, gradient: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
    """Per parameter of a layer, the derivative [B] with respect to its first entry, from the one at its output."""
    at_output = gradient[:, 0]
    if isinstance(module, nn.Linear):
        read = inputs[:, 0]
    elif isinstance(module, nn.BatchNorm2d):
        assert module.running_mean is not None, "fresh statistics"
        assert module.running_var is not None
        read = (inputs[:, 0] - module.running_mean[0]) * torch.rsqrt(module.running_var[0] + module.eps)
    else:
        assert isinstance(module, nn.Conv2d)
        assert isinstance(module.padding, tuple)
        (down, right), (top, left) = module.stride, module.padding
        padded = nn.functional.pad(inputs[:, 0], (left, left, top, top))
        read = padded[:, ::down, ::right][:, : at_output.shape[1], : at_output.shape[2]]
    found = []
    if module.weight is not None:
        found.append((module.weight, (read * at_output).flatten(1).sum(1) if read.dim() > 1 else read * at_output))
    if module.bias is not None:
        found.append((module.bias, at_output.flatten(1).sum(1) if at_output.dim() > 1 else at_output))
    return found  # type: ignore[return-value]


__all__ = ["VKDNW", "VKDNWEntropy", "fisher_matrix"]
