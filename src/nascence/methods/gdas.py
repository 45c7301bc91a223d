"""GDAS: one operation an edge is drawn and run, with the gradient of a Gumbel-softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import part
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import GRAPHS, LAPTOP, LAPTOP_DARTS
from nascence.relaxations import GumbelSoftmax, Options, Relaxation
from nascence.schedules import Linear
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class GDAS(GradientMethod):
    """GDAS (Dong & Yang, CVPR 2019, arXiv 1910.04465). The temperature falls in equal steps from the first epoch with
    steps of the architecture to the last."""

    name: ClassVar[str] = "gdas"
    title: ClassVar[str] = "GDAS: one drawn operation per edge and step, Gumbel-softmax straight through"
    paper: ClassVar[str] = "arXiv 1910.04465"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "paper-darts": {"batch_size": 256},
        "laptop": {**LAPTOP, "epochs": 100, "warmup_epochs": 75, "exclude": "none"},
        "laptop-darts": {**LAPTOP_DARTS, "epochs": 40, "warmup_epochs": 28, "exclude": "none"},
        "laptop-sane": {**GRAPHS, "epochs": 160, "warmup_epochs": 80},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 250,
        "weights.nesterov": True,
        "weights.weight_decay": 5e-4,
        "architecture.first": "weights",
    }

    temperature: Temperature = part(Temperature)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        schedule = Linear(self.temperature.start, self.temperature.end, over="moves", reach=True)
        return GumbelSoftmax(space, options, schedule, seed=seed)
