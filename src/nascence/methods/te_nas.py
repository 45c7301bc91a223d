"""TE-NAS: prune a supernet by the condition number of its tangent kernel and its number of linear regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.declaring import part, setting
from nascence.errors import SettingError
from nascence.methods.base import Method, Problem
from nascence.methods.parts import Probing
from nascence.methods.te_nas_indicators import CountedRegions, KernelCondition, RegionCounts
from nascence.scores.batch_norm import BatchNormMode
from nascence.spaces.cells import cell_space
from nascence.strategies import Strategy
from nascence.strategies.pruning import Indicator, SupernetPruning, log_change, relative_change


@final
@dataclass(frozen=True, kw_only=True)
class TENAS(Probing, Method):
    """TE-NAS (Chen, Gong & Wang, ICLR 2021, arXiv 2102.11535). ``default`` is what the released code initialises with,
    whose Kaiming initialisation is never called."""

    name: ClassVar[str] = "te-nas"
    title: ClassVar[str] = "TE-NAS: pruning a supernet on NTK condition number and linear regions, without training"
    paper: ClassVar[str] = "arXiv 2102.11535"
    on_device: ClassVar[bool] = True

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"image_size": 16}

    repeats: int = setting(
        16,
        "Draws of weights and images that are averaged; the paper takes 3, the time saved here goes into more.",
        at_least=1,
    )
    batch_norm: BatchNormMode = setting(
        "frozen", "See nascence.scores.batch_norm; train is the official code's, a backward pass an image."
    )
    regions: RegionCounts = part(RegionCounts)
    change: Literal["log", "relative"] = setting(
        "log", "Of an indicator by a removal: log of the ratio, or relative as in the official code."
    )
    prune: int | None = setting(
        None,
        "Operations dropped per edge and round; none for the paper's number (1 of 4 and 3 of 7).",
        at_least=1,
    )
    indicators: Literal["both", "ntk-condition", "linear-regions"] = setting("both", "Or one of them for the ablation.")

    def strategy(self, problem: Problem) -> Strategy:
        space = cell_space(problem.space, self.name)
        problem.images.check_batch(self.images)
        missing = {"pruning", "regions"} - set(space.networks)
        if missing:
            raise SettingError(
                f"{space.name} has no network size {' or '.join(sorted(missing))}, which te-nas prunes at."
            )
        indicators = {
            "ntk-condition": Indicator("ntk-condition", False, KernelCondition(self, self.batch_norm, problem, space)),
            "linear-regions": Indicator(
                "linear-regions", True, CountedRegions(self.regions, self.initialisation, problem, space)
            ),
        }
        operations = len(space.operations) - ("none" in space.operations)
        return SupernetPruning(
            space,
            [indicator for name, indicator in indicators.items() if self.indicators in ("both", name)],
            draws=self.repeats,
            prune=max(1, (operations - 1) // 2) if self.prune is None else self.prune,
            budget=problem.budget,
            change={"log": log_change, "relative": relative_change}[self.change],
        )


__all__ = ["TENAS"]
