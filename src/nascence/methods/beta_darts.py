"""beta-DARTS: DARTS with one more objective, which keeps the softmax weights from growing apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import GRAPHS, LAPTOP_5000, LAPTOP_DARTS
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class BetaDARTS(GradientMethod):
    """beta-DARTS (Ye, Li, Li, Chen, Fan & Ouyang, CVPR 2022, arXiv 2203.01665)."""

    name: ClassVar[str] = "beta-darts"
    title: ClassVar[str] = "beta-DARTS: DARTS with a decay of its softmax weights"
    paper: ClassVar[str] = "arXiv 2203.01665"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "paper-darts": {"epochs": 50, "beta_decay": 25.0},
        "laptop": {**LAPTOP_5000, "beta_decay": 5.0},
        "laptop-darts": {**LAPTOP_DARTS, "beta_decay": 5.0},
        "laptop-sane": {**GRAPHS, "beta_decay": 5.0},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"epochs": 100, "beta_decay": 50.0, "network.all_operations": False}

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)
