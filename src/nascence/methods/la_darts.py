"""Latency-aware DARTS: DARTS with one more objective, a latency learned from measured networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class LADARTS(GradientMethod):
    """Latency-aware DARTS (Xu, Xie, Zhang, Chen, Shi, Tian & Xiong, arXiv 2001.06392)."""

    name: ClassVar[str] = "la-darts"
    title: ClassVar[str] = "LA-DARTS: DARTS with a latency, learned from measured networks, in its loss"
    paper: ClassVar[str] = "arXiv 2001.06392"
    caveat: ClassVar[str] = (
        "The predictor's layers, how mixing weights enter it and its weight in the loss are a reconstruction; without "
        "--set latencies=FILE, latencies of parts are added up instead of learned."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP, "exclude": "none"},
        "laptop-darts": LAPTOP_DARTS,
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"latency.weight": 0.02}

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)
