"""How much each unit of channels weighs: the magnitude of all weights that hang on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def importance(network: nn.Module, tensors: Mapping[str, Mapping[str, Any]], units: int) -> NDArray[np.float64]:
    """[units]: the mean over all tensors of the unit's L2 norm in it, each as a part of the tensor's mean over units.

    Kernels that make the channel, kernels that read it, and the scale of its normalisation all have a say, and no
    layer's unit of measurement does (group magnitude: Fang et al., DepGraph, CVPR 2023, section 3.3). Shifts and
    running statistics have none.
    """
    total, seen = np.zeros(units), np.zeros(units)
    for path, parts in tensors.items():
        layer = network.get_submodule(path)
        for name, axes in parts.items():
            value = getattr(layer, name, None)
            if name not in ("weight", "value") or not isinstance(value, torch.Tensor) or not value.is_floating_point():
                continue
            squares = value.detach().double().square()
            for dim, axis in enumerate(axes):
                if axis is None:
                    continue
                rows = squares.movedim(dim, 0).flatten(1).sum(1).numpy() if squares.dim() > 1 else squares.numpy()
                here = np.zeros(units)
                own = axis >= 0
                np.add.at(here, axis[own], rows[own])
                there = np.unique(axis[own])
                norms = np.sqrt(here[there])
                mean = norms.mean()
                total[there] += norms / mean if mean > 0 else 1.0
                seen[there] += 1
    return total / np.maximum(seen, 1)


__all__ = ["importance"]
