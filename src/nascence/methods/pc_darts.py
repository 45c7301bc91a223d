"""PC-DARTS: DARTS on a part of the channels, with normalised edges."""

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
class PCDARTS(GradientMethod):
    """PC-DARTS (Xu et al., ICLR 2020, arXiv 1907.05737)."""

    name: ClassVar[str] = "pc-darts"
    title: ClassVar[str] = "PC-DARTS: DARTS on a part of the channels, with normalised edges"
    paper: ClassVar[str] = "arXiv 1907.05737"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP, "batch_size": 64},
        "laptop-darts": {**LAPTOP_DARTS, "batch_size": 64},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "data.batch_size": 256,
        "weights.learning_rate": 0.1,
        "weights.final_learning_rate": 0.0,
        "architecture.learning_rate": 6e-4,
        "warmup_epochs": 15,
        "network.partial_channels": 4,
        "edge_normalisation": True,
    }

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)
