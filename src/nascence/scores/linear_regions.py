"""The number of linear regions that a batch of inputs falls into (TE-NAS; Xiong et al., ICML 2020).

Two inputs lie in the same region when every ReLU is active on both or on neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.scores.base import Initialised, Probe, Reads, Score, is_constant
from nascence.scores.batch_norm import set_groups
from nascence.scores.ntk import Forward
from nascence.supernets.cells.fused import FusedReLU


def activation_patterns(network: nn.Module, forward: Forward, x_BCHW: Tensor) -> np.ndarray:
    """One row of packed bits per input, uint8 [B, ceil(F / 8)]: is each of F ReLUs (those on images) active?

    Of networks side by side in a supernet, each has the bits of its own operations only; the others are zero.
    """
    bits: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            signs = output > 0
            bits.append((module.own(signs) if isinstance(module, FusedReLU) else signs).flatten(1))

    handles = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, nn.ReLU)]
    try:
        with torch.no_grad():
            forward(x_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    bits.append(x_BCHW.new_zeros(len(x_BCHW), 0, dtype=torch.bool))  # so that a network without ReLUs has rows, too
    return np.packbits(torch.cat(bits, dim=1).cpu().numpy(), axis=1)


def count_distinct(rows: np.ndarray) -> int:
    """The number of different rows of a two-dimensional array of bytes."""
    if rows.size == 0:
        return min(1, rows.shape[0])
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
    return len(np.unique(keys))


def count_regions(
    network: nn.Module, forward: Forward, patches_BCHW: Tensor, *, batches: int, groups: int = 1
) -> list[int]:
    """Distinct activation patterns of each of ``groups`` networks side by side, over ``batches`` batches of patches.

    ``patches_BCHW`` [batches * B, C, H, W] is given to every network; each batch is normalised by its own statistics.
    """
    set_groups(network, groups * batches)
    rows = activation_patterns(network, forward, patches_BCHW.repeat(groups, 1, 1, 1))
    return [count_distinct(part) for part in rows.reshape(groups, len(patches_BCHW), -1)]


@final
@dataclass(frozen=True, kw_only=True)
class LinearRegions(Initialised, Score):
    """R = distinct activation patterns of the one-channel ``regions`` network over small one-channel patches.

    Small patches matter: on full-size images every image is a region of its own and the count says nothing.
    """

    name: ClassVar[str] = "linear-regions"
    description: ClassVar[str] = "number of linear regions that small patches fall into at initialisation"
    source: ClassVar[str] = "TE-NAS, arXiv 2102.11535, section 3.1.2"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0
    because: ClassVar[str] = "it counts patterns on patches of images"
    reads: ClassVar[Reads] = "regions"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"initialisation": "default"}

    patches: int = setting(1000, "Of a batch.", at_least=1)
    batches: int = setting(3, "Independent draws of patches.", at_least=1)
    patch_size: int = setting(3, "In pixels.", at_least=1)

    def __call__(self, probe: Probe) -> float:
        if "regions" not in probe.space.networks:
            raise SettingError(f"linear-regions needs a one-channel network without stem; {probe.space.name} has none.")
        network = probe.network("regions", initialisation=self.initialisation, batch_norm="frozen", in_channels=1)
        patches = probe.patches(self.patches, self.patch_size, self.batches)
        (count,) = count_regions(network, network, patches, batches=self.batches)
        with torch.no_grad():  # activations on a branch that leads nowhere divide nothing
            return self.worst if is_constant(network(patches)) else float(count)
