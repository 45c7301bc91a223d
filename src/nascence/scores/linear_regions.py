"""The number of linear regions that a batch of inputs falls into (TE-NAS; Xiong et al., ICML 2020).

Two inputs lie in the same region when every ReLU is active on both or on neither.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from nascence.scores.ntk import Forward


def activation_patterns(network: nn.Module, forward: Forward, x_BCHW: Tensor) -> np.ndarray:
    """One row of packed bits per input, uint8 [B, ceil(F / 8)]: for each of F ReLUs with images as input, is it active?"""
    bits: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            bits.append((output > 0).flatten(1))

    handles = [m.register_forward_hook(record) for m in network.modules() if isinstance(m, nn.ReLU)]
    try:
        with torch.no_grad():
            forward(x_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    return np.packbits(torch.cat(bits, dim=1).numpy(), axis=1)


def count_distinct(rows: np.ndarray) -> int:
    """The number of different rows of a two-dimensional array of bytes."""
    if rows.size == 0:
        return min(1, rows.shape[0])
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
    return len(np.unique(keys))
