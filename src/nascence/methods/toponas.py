"""TopoNAS of 2024: a differentiable search whose candidates share the modules that they have in common."""

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
class TopoNAS(GradientMethod):
    """*TopoNAS: Boosting Search Efficiency of Gradient-based NAS via Topological Simplification* (Zhao, Liu & Yuan,
    arXiv 2408.01311), on DARTS; on any other method it is ``--set module_sharing=floating``. The paper of 2020 that
    also calls itself TopoNAS is ``explicit-topology``. ``partial`` shares among operations that differ in kernel sizes
    (PMS), ``floating`` also lets a block serve longer and shorter operations (FMS).
    """

    name: ClassVar[str] = "toponas"
    title: ClassVar[str] = "TopoNAS (2024, reconstruction): candidates share modules; DARTS at a lower price"
    paper: ClassVar[str] = "arXiv 2408.01311"
    caveat: ClassVar[str] = (
        "toponas is a reconstruction: the paper's equations could not be read; the grouping follows its description, "
        "the kernel normalisation is ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "laptop": LAPTOP, "laptop-darts": LAPTOP_DARTS}

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network.module_sharing": "floating"}

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)
