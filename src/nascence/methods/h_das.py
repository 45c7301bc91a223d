"""H-DAS: cells of their own for every stage, and how cells are wired to stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.objectives import Objective
from nascence.objectives.depth import StageCells, StageDepth
from nascence.relaxations import Options, Relaxation, Softmax, Tied
from nascence.schedules import Falling
from nascence.spaces import get_space
from nascence.spaces.cells import cell_space
from nascence.spaces.h_das_cells import KINDS, TIED
from nascence.spaces.h_das_stages import STAGES
from nascence.spaces.relaxable import RelaxableSpace, relaxable

_PAPER = "arXiv 2101.04028"


@final
@dataclass(frozen=True, kw_only=True)
class HDASCellSearch(GradientMethod):
    """H^c-DAS (Liu, Zhong, Guo, Scott & Huang, AAAI 2021, arXiv 2101.04028): DARTS's first order on the space
    ``h-das-cells``."""

    name: ClassVar[str] = "h-das-cells"
    title: ClassVar[str] = "H-DAS, cell level: a cell of its own in each stage"
    paper: ClassVar[str] = _PAPER
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": LAPTOP_DARTS,
    }

    tied: bool = setting(False, "All stages share their cells; then it is darts.")

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        if {group.name for group in space.groups} != set(KINDS):
            raise SettingError(
                f"h-das-cells searches a cell for every stage; type --space h-das-cells, not {space.name}."
            )
        if not self.tied:
            return Softmax(space, options, seed=seed)
        assert isinstance(options, Mapping)
        darts = cell_space(get_space("darts"), self.name)
        shared = {of: options[kind] for kind, of in TIED.items()}
        return Tied(space, Softmax(darts, shared, seed=seed), TIED)


@final
@dataclass(frozen=True, kw_only=True)
class HDASStageSearch(GradientMethod):
    """H^s-DAS with the distribution of cells (Liu, Zhong, Guo, Scott & Huang, AAAI 2021, arXiv 2101.04028) on the space
    ``h-das-stages``: the cells are given, their wiring and number are searched."""

    name: ClassVar[str] = "h-das-stages"
    title: ClassVar[str] = "H-DAS, stage level: how cells are wired to stages, and how many there are"
    paper: ClassVar[str] = _PAPER
    caveat: ClassVar[str] = (
        "h-das-stages descends one combined loss with a true expected depth, where the released code takes separate "
        "steps on raw parameters with a gradient that is never renewed."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP, "epochs": 12, "warmup_epochs": 6, "epoch_images": 2000},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"weights.weight_decay": 2.7e-3}

    depth_weight: float = setting(
        0.1,
        "Of the expected depth of the stages, rewarded in the loss, falling to 0 over the last third of the search.",
        at_least=0,
    )
    cells_weight: float = setting(0.4, "Of the expected number of cells, as a part of depth_weight.", at_least=0)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        if not set(STAGES) <= {group.name for group in relaxable(space, self.name).groups}:
            raise SettingError(f"h-das-stages wires given cells; type --space h-das-stages, not {space.name}.")
        return Softmax(space, options, seed=seed)

    def objectives(self) -> tuple[Objective, ...]:
        if not self.depth_weight:
            return super().objectives()
        depth, cells = (Falling(weight * self.depth_weight, 2 / 3) for weight in (1.0, self.cells_weight))
        return (*super().objectives(), StageDepth(depth), StageCells(cells))


__all__ = ["HDASCellSearch", "HDASStageSearch"]
