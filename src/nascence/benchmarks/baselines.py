"""What every score must beat: parameters, FLOPs and the number of trainable layers, of many architectures at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nascence.architecture import Architecture
from nascence.costs import CostModel
from nascence.seeding import generator
from nascence.spaces import Space
from nascence.tasks.base import IMAGES, Signature

BASELINES = ("params", "flops", "trainable-layers")
_CHECKS = 8
Floats = NDArray[np.float64]


def baselines(
    space: Space,
    architectures: Sequence[Architecture],
    names: Sequence[str] = BASELINES,
    signature: Signature = IMAGES,
) -> dict[str, Floats]:
    """By name the values [N], of the ``evaluation`` networks. Trainable layers are convolutions and linear layers."""
    model = CostModel(space, space.networks["evaluation"], signature)
    found: dict[str, Floats] = {}
    for name in names:
        if name == "trainable-layers":
            found[name] = trainable_layers(space, architectures, signature)
        elif space.as_cells is not None:  # exact prices of edges: nothing is built
            found[name] = np.array([model.cost(name, architecture) for architecture in architectures])
        else:
            found[name] = by_parts(space, partial(model.cost, name), architectures)
    return found


def trainable_layers(space: Space, architectures: Sequence[Architecture], signature: Signature = IMAGES) -> Floats:
    """The number [N] of convolutions and linear layers."""

    def count(architecture: Architecture) -> float:
        with torch.device("meta"):
            network = space.assemble(architecture, space.networks["evaluation"], signature)
        return float(sum(isinstance(module, nn.Conv2d | nn.Linear) for module in network.modules()))

    return by_parts(space, count, architectures)


def by_parts(space: Space, measure: Callable[[Architecture], float], architectures: Sequence[Architecture]) -> Floats:
    """``measure`` of every architecture [N], from few measurements where it is a sum over answers or pairs of answers.

    That it is such a sum is checked on random architectures. Where it is not, or there are fewer architectures than
    parts, each is measured.
    """
    measure = cache(measure)
    options = [choice.options for choice in space.choices]
    base = Architecture(space.name, tuple(names[0] for names in options))

    def changed(answers: Mapping[int, str]) -> float:
        return measure(Architecture(space.name, tuple(answers.get(at, old) for at, old in enumerate(base.answers))))

    parts: dict[tuple[tuple[int, str], ...], float] = {}
    samples = [space.sample(generator(at, "parts-check")) for at in range(_CHECKS)]
    for order in (1, 2):
        places = list(itertools.combinations(range(len(options)), order))
        if len(parts) + sum(math.prod(len(options[at]) - 1 for at in place) for place in places) > len(architectures):
            break
        for place in places:
            for answers in itertools.product(*(options[at][1:] for at in place)):
                key = tuple(zip(place, answers, strict=True))
                parts[key] = changed(dict(key)) - measure(base) - sum(parts[(one,)] for one in key if order == 2)

        def total(architecture: Architecture, order: int = order) -> float:
            new = [(at, name) for at, name in enumerate(architecture.answers) if name != options[at][0]]
            keys = itertools.chain.from_iterable(itertools.combinations(new, size + 1) for size in range(order))
            return measure(base) + sum(parts[key] for key in keys)

        if all(total(sample) == measure(sample) for sample in samples):
            return np.array([total(architecture) for architecture in architectures], dtype=np.float64)
    return np.array([measure(architecture) for architecture in architectures], dtype=np.float64)


__all__ = ["BASELINES", "baselines", "by_parts", "trainable_layers"]
