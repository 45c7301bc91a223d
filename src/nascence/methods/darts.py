"""DARTS: gradient descent on a softmax over operations, alternating with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import GRAPHS, LAPTOP, LAPTOP_DARTS
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class DARTS(GradientMethod):
    """DARTS (Liu, Simonyan & Yang, ICLR 2019, arXiv 1806.09055); ``order=2`` is its second-order version."""

    name: ClassVar[str] = "darts"
    title: ClassVar[str] = "DARTS: softmax over operations, weights and architecture descend in turn"
    paper: ClassVar[str] = "arXiv 1806.09055"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": LAPTOP,
        "laptop-darts": LAPTOP_DARTS,
        "laptop-sane": GRAPHS,
    }

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)
