"""Slow, obvious definitions of what the product computes quickly: for tests, and as the baseline of benchmarks.

Nothing here is fused, shared or vectorised. Call the networks in float64 (``network.double()``) for exact comparisons.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from nascence.operations import Zero, build_operation
from nascence.spaces import CellSpace, NetworkConfig
from nascence.spaces.cells import Edge
from nascence.supernets import MixingWeights
from nascence.supernets.cells import CellSupernet, MixedCell


class _ObviousEdge(nn.Module):
    """sum_o w_o * op_o(x) over the operations of one edge of one cell; a constant weight of zero runs nothing."""

    def __init__(self, space: CellSpace, edge: Edge) -> None:
        super().__init__()
        self.kind, self.at = edge.kind, edge.at
        self.zero = Zero(edge.channels, edge.stride)
        self.operations = nn.ModuleList(
            build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm) for name in space.operations
        )
        self.mixing: Tensor | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        assert self.mixing is not None
        total = self.zero(x_BCHW)
        for weight, operation in zip(self.mixing, self.operations, strict=True):
            if weight.requires_grad or weight != 0:
                total = total + weight * operation(x_BCHW)
        return total


@final
class ObviousSupernet(nn.Module):
    """A supernet with one module per operation, edge and cell, called like :class:`nascence.supernets.Supernet`."""

    def __init__(
        self, space: CellSpace, network: NetworkConfig, *, in_channels: int = 3, num_classes: int = 10
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.network = space.stack(lambda edge: _ObviousEdge(space, edge), network, in_channels, num_classes)

    @classmethod
    def like(
        cls,
        supernet: CellSupernet,
        space: CellSpace,
        network: NetworkConfig,
        *,
        in_channels: int = 3,
        num_classes: int = 10,
    ) -> ObviousSupernet:
        """With the weights, the statistics, the precision and the mode (training or not) of a fused supernet."""
        obvious = cls(space, network, in_channels=in_channels, num_classes=num_classes)
        obvious.to(next(supernet.parameters()).dtype).train(supernet.training)
        obvious.load_state_dict(per_edge(supernet, supernet.state_dict()))
        return obvious

    def forward(self, x_BCHW: Tensor, weights: MixingWeights) -> Tensor:
        for module in self.network.modules():
            if isinstance(module, _ObviousEdge):
                module.mixing = weights[module.kind][module.at]
        return self.network(x_BCHW)


def per_edge(supernet: CellSupernet, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values by the names of a fused supernet's tensors (state, gradients), by those of :class:`ObviousSupernet`."""
    found: dict[str, Tensor] = {}
    for name, value in values.items():
        inside = re.fullmatch(r"(.*)\.sources\.(\d+)\.(\d+)\.(.*)", name)
        if inside is None:
            found[name] = value
            continue
        cell = cast(MixedCell, supernet.get_submodule(inside[1]))
        edges = [at for at, (source, _) in enumerate(cell.shape.edges) if source == int(inside[2])]
        parts = [value] * len(edges) if value.dim() == 0 else value.unflatten(0, (len(edges), -1))
        for at, part in zip(edges, parts, strict=True):
            found[f"{inside[1]}.operations.{at}.operations.{inside[3]}.{inside[4]}"] = part
    return found


def _call(network: nn.Module, x_BCHW: Tensor, weights: MixingWeights | None) -> Tensor:
    return network(x_BCHW) if weights is None else network(x_BCHW, weights)


def with_batch_norm(network: nn.Module, x_BCHW: Tensor, mode: str, weights: MixingWeights | None = None) -> nn.Module:
    """A copy whose batch normalisation works on ``x_BCHW`` as the mode says (:mod:`nascence.scores.batch_norm`).

    ``train``: the library's, in training mode. ``frozen``: evaluation mode, with the statistics that every layer saw in
    one forward pass in training mode. ``eval``: evaluation mode after one forward pass from fresh statistics.
    """
    network = copy.deepcopy(network).train()
    if mode == "train":
        return network
    seen: dict[nn.BatchNorm2d, Tensor] = {}
    handles = [
        module.register_forward_pre_hook(lambda norm, inputs: seen.update({cast(nn.BatchNorm2d, norm): inputs[0]}))
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        _call(network, x_BCHW, weights)
    for handle in handles:
        handle.remove()
    for norm, x in seen.items():
        mean, var, count = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0), x.numel() // x.shape[1]
        norm.track_running_stats = True
        norm.running_mean = mean if mode == "frozen" else 0.1 * mean
        norm.running_var = var if mode == "frozen" else 0.9 + 0.1 * var * count / (count - 1)
    return network.eval()


def class_summed_kernel(
    network: nn.Module, x_BCHW: Tensor, *, mode: str = "train", weights: MixingWeights | None = None
) -> Tensor:
    """K [N, N]: one backward pass per sample, over the parameters whose name contains ``weight``."""
    network = with_batch_norm(network, x_BCHW, mode, weights)
    parameters = [p for name, p in network.named_parameters() if "weight" in name]
    outputs = _call(network, x_BCHW, weights).sum(1)
    rows = []
    for output in outputs:
        gradients = torch.autograd.grad(output, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(gradients, parameters, strict=True)
        rows.append(torch.cat([torch.zeros(p.numel()).to(p) if g is None else g.flatten() for g, p in pairs]))
    return torch.stack([torch.stack([one @ other for other in rows]) for one in rows])


def condition_number(kernel: Tensor) -> float:
    """lambda_max / lambda_min of K [N, N]."""
    values = torch.linalg.eigvalsh(kernel.double())
    return float(values[-1] / values[0])


def count_regions(network: nn.Module, batches: Sequence[Tensor], weights: MixingWeights | None = None) -> int:
    """The number of different rows of signs of all ReLUs that are run, by comparing every row with all before it."""
    network = copy.deepcopy(network).train()
    bits: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            bits.append((output > 0).flatten(1))

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(record)
    rows: list[Tensor] = []
    with torch.no_grad():
        for x_BCHW in batches:
            bits.clear()
            _call(network, x_BCHW, weights)
            rows += torch.cat(bits, dim=1).unbind()
    table = torch.stack(rows)
    return sum(not bool((table[:at] == row).all(1).any()) for at, row in enumerate(table))


def kernel_trace(
    network: nn.Module, x_BCHW: Tensor, *, mode: str = "train", weights: MixingWeights | None = None
) -> float:
    """sum over samples n and classes c of || d z_nc / d theta ||^2: one backward pass each, over all parameters."""
    network = with_batch_norm(network, x_BCHW, mode, weights)
    total = 0.0
    for logit in _call(network, x_BCHW, weights).flatten():
        gradients = torch.autograd.grad(logit, list(network.parameters()), retain_graph=True, allow_unused=True)
        total += sum(float(g.square().sum()) for g in gradients if g is not None)
    return total


def squared_gradient_norm(
    network: nn.Module, x_BCHW: Tensor, target_B: Tensor, weights: MixingWeights | None = None
) -> float:
    """|| d L / d theta ||^2 of the mean cross-entropy L over all parameters, training mode."""
    network = copy.deepcopy(network).train()
    network.requires_grad_().zero_grad()
    output = _call(network, x_BCHW, weights)
    loss = -torch.stack([row.log_softmax(0)[known] for row, known in zip(output, target_B, strict=True)]).mean()
    loss.backward()
    return sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)


def central_differences(
    function: Callable[[dict[str, Tensor]], float], at: Mapping[str, Tensor], step: float = 1e-5
) -> dict[str, Tensor]:
    """The gradient of ``function`` at ``at``: (f(x + h) - f(x - h)) / 2h, entry by entry."""
    gradient = {name: torch.zeros_like(value) for name, value in at.items()}
    for name, value in at.items():
        for entry in range(value.numel()):
            ends = []
            for sign in (1, -1):
                moved = {key: tensor.clone() for key, tensor in at.items()}
                moved[name].view(-1)[entry] += sign * step
                ends.append(function(moved))
            gradient[name].view(-1)[entry] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def te_nas_scores(
    kappa_before: Sequence[float],
    kappa_after: Sequence[Sequence[float]],
    regions_before: Sequence[float],
    regions_after: Sequence[Sequence[float]],
    *,
    log: bool,
) -> list[int]:
    """s of every candidate from finite positive values per repeat, and per repeat and candidate: small ones go first.

    Removals that lower kappa most and cost the fewest regions come first; equal mean changes share a rank. A change is
    (before - after) / before, or ``log`` (before / after).
    """

    def change(before: float, after: float) -> float:
        return math.log(before / after) if log else (before - after) / before

    def mean_change(before: Sequence[float], after: Sequence[Sequence[float]]) -> list[float]:
        candidates = range(len(after[0]))
        return [sum(change(b, row[o]) for b, row in zip(before, after, strict=True)) / len(before) for o in candidates]

    def rank(values: Sequence[float], descending: bool) -> list[int]:
        order = sorted(set(values), reverse=descending)
        return [order.index(value) for value in values]

    by_kappa = rank(mean_change(kappa_before, kappa_after), descending=True)
    by_regions = rank(mean_change(regions_before, regions_after), descending=False)
    return [a + b for a, b in zip(by_kappa, by_regions, strict=True)]


__all__ = [
    "ObviousSupernet",
    "central_differences",
    "class_summed_kernel",
    "condition_number",
    "count_regions",
    "kernel_trace",
    "per_edge",
    "squared_gradient_norm",
    "te_nas_scores",
    "with_batch_norm",
]
