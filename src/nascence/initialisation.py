"""Initial weights, from an explicit generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from nascence.errors import UnknownNameError
from nascence.seeding import seeded_globally

Initialisation = Literal["default", "kaiming-fan-in", "kaiming-fan-out", "xavier", "standard-normal"]
INITIALISATIONS: tuple[str, ...] = get_args(Initialisation)


def initialise(network: nn.Module, scheme: str, generator: torch.Generator) -> nn.Module:
    """Set every parameter and running statistic of ``network`` in place, and return it.

    ``default``: PyTorch's own (uniform in +-1/sqrt(fan in), weights and biases). ``kaiming-fan-in`` and
    ``kaiming-fan-out``: normal with variance 2/fan, biases zero (He et al. 2015). ``xavier``: normal with variance
    2/(fan in + fan out). ``standard-normal``: N(0, 1), biases zero. Batch normalisation always starts at scale 1,
    shift 0 and fresh statistics. Other modules with parameters of their own (LSTM, attention, layer normalisation)
    start as their ``reset_parameters`` has it, whatever the scheme, but from ``generator``. What has parameters and no
    such method (attention, a parameter of one's own) stays as it was made: to be made within
    :func:`nascence.seeding.seeded_globally`. Raises :class:`UnknownNameError` on another scheme.
    """
    if scheme not in INITIALISATIONS:
        raise UnknownNameError("initialisation", scheme, INITIALISATIONS)
    fill: Callable[[Tensor], object] = {
        "default": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5), generator=generator),
        "kaiming-fan-in": lambda w: nn.init.kaiming_normal_(w, mode="fan_in", nonlinearity="relu", generator=generator),
        "kaiming-fan-out": lambda w: nn.init.kaiming_normal_(
            w, mode="fan_out", nonlinearity="relu", generator=generator
        ),
        "xavier": lambda w: nn.init.xavier_normal_(w, generator=generator),
        "standard-normal": lambda w: nn.init.normal_(w, generator=generator),
    }[scheme]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                for part in module.weight.chunk(
                    getattr(module, "copies", 1)
                ):  # fused layers: each copy has its own fan
                    fill(part)
                if module.bias is not None:
                    bound = 1 / math.sqrt(module.weight[0].numel()) if scheme == "default" else 0.0
                    module.bias.uniform_(-bound, bound, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None and hasattr(module, "reset_parameters"):
                reset: Callable[[], object] = module.reset_parameters  # type: ignore[assignment]
                with seeded_globally(int(torch.randint(2**62, (), generator=generator))):  # by the module's own rule
                    reset()
    return network
