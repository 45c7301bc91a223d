"""DrNAS: mixing weights drawn from learned Dirichlet distributions, and progressive partial channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import GRAPHS, LAPTOP, LAPTOP_DARTS
from nascence.relaxations import Dirichlet, Options, Relaxation
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class DrNAS(GradientMethod):
    """DrNAS (Chen, Wang, Cheng, Tang & Hsieh, ICLR 2021, arXiv 2006.10355).

    The distance to the uniform distribution is ``architecture_weight_decay`` (the released code's default), or its
    closed form with ``kl_anchor`` and ``architecture_weight_decay=0``. ``epochs``: 100 without stages is what the
    published table of NAS-Bench-201 comes from.
    """

    name: ClassVar[str] = "drnas"
    title: ClassVar[str] = "DrNAS: mixing weights from learned Dirichlet distributions, progressive partial channels"
    paper: ClassVar[str] = "arXiv 2006.10355"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "paper-progressive": {"stages": ["50:5:4", "50:3:2"], "warmup_epochs": 10},
        "paper-darts": {
            "epochs": 50,
            "stages": ["25:7:6", "25:4:4"],
            "warmup_epochs": 10,
            "channels": 36,
            "depth": 20,
            "learning_rate": 0.1,
            "final_learning_rate": 0.0,
            "architecture_learning_rate": 6e-4,
        },
        "laptop": LAPTOP,
        "laptop-darts": LAPTOP_DARTS,
        "laptop-sane": GRAPHS,
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"epochs": 100, "network.all_operations": False}

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Dirichlet(space, options, seed=seed)
