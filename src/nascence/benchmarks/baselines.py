"""What every score must beat: parameters, FLOPs and the number of trainable layers, of many architectures at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nascence.architecture import Architecture
from nascence.costs import CostModel
from nascence.seeding import generator
from nascence.spaces import Space

BASELINES = ("params", "flops", "trainable-layers")
_CHECKS = 8


def baselines(
    space: Space,
    architectures: Sequence[Architecture],
    names: Sequence[str] = BASELINES,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    num_classes: int = 10,
) -> dict[str, NDArray[np.float64]]:
    """By name the values [N], of the ``evaluation`` networks. Trainable layers are convolutions and linear layers."""
    model = CostModel(space, space.networks["evaluation"], input_shape, num_classes)
    found: dict[str, NDArray[np.float64]] = {}
    for name in names:
        if name == "trainable-layers":
            found[name] = trainable_layers(space, architectures, input_shape[0], num_classes)
        else:
            found[name] = np.array([model.cost(name, architecture) for architecture in architectures])
    return found


def trainable_layers(
    space: Space, architectures: Sequence[Architecture], in_channels: int = 3, num_classes: int = 10
) -> NDArray[np.float64]:
    """The number [N] of convolutions and linear layers.

    Where every answer adds its own number (checked on random architectures), few networks are counted; else each is.
    """

    def count(architecture: Architecture) -> int:
        with torch.device("meta"):
            network = space.assemble(architecture, space.networks["evaluation"], in_channels, num_classes)
        return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules())

    base = Architecture(space.name, tuple(choice.options[0] for choice in space.choices))
    start = count(base)
    added: list[dict[str, int]] = []
    for at, choice in enumerate(space.choices):
        others = {
            option: Architecture(space.name, (*base.answers[:at], option, *base.answers[at + 1 :]))
            for option in choice.options
        }
        added.append({option: count(other) - start for option, other in others.items()})

    def total(architecture: Architecture) -> int:
        return start + sum(part[answer] for part, answer in zip(added, architecture.answers, strict=True))

    samples = [space.sample(generator(at, "layers-check")) for at in range(_CHECKS)]
    measure = total if all(total(sample) == count(sample) for sample in samples) else count
    return np.array([measure(architecture) for architecture in architectures], dtype=np.float64)


__all__ = ["BASELINES", "baselines", "trainable_layers"]
