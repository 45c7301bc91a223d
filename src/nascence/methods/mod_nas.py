"""MoD-NAS: denoisers inside an unfolded optimisation, searched by gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, final

import torch

from nascence.declaring import part, setting
from nascence.errors import SettingError
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Teaching
from nascence.methods.presets import DENOISERS
from nascence.objectives import Objective
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.relaxations.sandwich import Sandwich
from nascence.schedules import Exponential
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class MoDNAS(GradientMethod):
    """MoD-NAS (Ning et al., arXiv 2104.02525): every operation, input, exit and width by a softmax whose temperature
    falls; weights alone at first, by the sandwich rule over widths; then weights and architecture in turn, with the
    logarithm of the expected cost beside the architecture's loss."""

    name: ClassVar[str] = "mod-nas"
    title: ClassVar[str] = "MoD-NAS: denoisers of dense blocks in an unfolded data step, with their cost in the loss"
    paper: ClassVar[str] = "arXiv 2104.02525"
    caveat: ClassVar[str] = (
        "MoD-NAS is a reconstruction: of its paper only the abstract and related code could be read, and what is "
        "searched inside a block, the schedule and every number here are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "laptop": DENOISERS}

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "warmup_epochs": 25,
        "data.batch_size": 16,
        "data.check_images": 16,
        "weights.optimizer": "adam",
        "weights.learning_rate": 2e-4,
        "weights.final_learning_rate": 1e-6,
        "weights.weight_decay": 0.0,
        "network.channels": 64,
        "price.weight": 1e-2,
    }

    unfolding: int | None = setting(
        3,
        "Data steps in which the network is used while searching, 0 for a plain residual network, none for what the "
        "size has.",
        at_least=0,
    )
    cooling: tuple[float, float] = setting(
        (5.0, 0.1),
        "Temperature at the beginning of the steps of the architecture, and at their end.",
        at_least=1e-3,
        alias="temperature",
    )
    exit_bias: float = setting(
        1.0, "What the logit of the last exit of a block has more at first, since early exits learn sooner."
    )
    sandwich: bool = setting(True, "Whether the widths are warmed up together.")
    teaching: Teaching = part(Teaching)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        start, end = self.cooling
        softmax = Softmax(space, options, Exponential(start, end, over="moves"), seed=seed)
        for group in space.groups:
            if group.role == "exit":
                with torch.no_grad():
                    softmax.parameters[group.name][:, -1] += self.exit_bias
        return Sandwich(softmax) if self.sandwich else softmax

    def objectives(self) -> tuple[Objective, ...]:
        return self.weight_objectives()

    def weight_objectives(self) -> tuple[Objective, ...]:
        return self.teaching.objectives()

    def _network(self, space: RelaxableSpace) -> Any:
        size = super()._network(space)
        if self.unfolding is None:
            return size
        if "unfolding" not in {field.name for field in fields(size)}:
            raise SettingError(f"Networks of {space.name} are not unfolded; add --set unfolding=none.")
        return replace(size, unfolding=self.unfolding)


__all__ = ["MoDNAS"]
