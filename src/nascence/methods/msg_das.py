"""MSG-DAS: several single-path sub-graphs a step that share no operation, taught by the whole supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import part, setting
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.objectives import Objective
from nascence.objectives.distillation import SupernetDistillation
from nascence.relaxations import GumbelTopK, Options, Relaxation
from nascence.schedules import Linear, Ramp
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.base import Supernet


@final
@dataclass(frozen=True, kw_only=True)
class MSGDAS(GradientMethod):
    """*Mutually-aware Sub-Graphs Differentiable Architecture Search* (Tan, Guo, Zhong, Scott & Huang, 2021, arXiv
    2107.04324). One sub-graph without dropping and distillation is GDAS."""

    name: ClassVar[str] = "msg-das"
    title: ClassVar[str] = "MSG-DAS (reconstruction): mutually exclusive sub-graphs, taught by the supernet"
    paper: ClassVar[str] = "arXiv 2107.04324"
    caveat: ClassVar[str] = (
        "msg-das is a reconstruction: only the paper's abstract could be read, and the formulas of the sampler, of "
        "Dropblock-Identity and of the distillation are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "paper-darts": {"epochs": 50},
        "laptop": {**LAPTOP, "epochs": 50, "warmup_epochs": 35, "exclude": "none"},
        "laptop-darts": {**LAPTOP_DARTS, "exclude": "none"},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "warmup_epochs": 10,
        "architecture.first": "weights",
        "network.all_operations": False,
    }

    sub_graphs: int = setting(2, "K a step, run one after the other, so that memory does not grow with K.", at_least=1)
    temperature: Temperature = part(Temperature)
    permute: bool = setting(False, "Shuffle the ranks on every edge, so that the sub-graphs are alike.")
    drop_identity: float = setting(
        0.3,
        "Share of skip connections' features that is dropped in blocks, falling from this to 0 over the search.",
        at_least=0,
        below=1,
    )
    drop_block: int = setting(3, "Width of a block in pixels.", at_least=1)
    distillation: float = setting(1.0, "Weight of learning from the supernet in the weight step.", at_least=0)
    distillation_epochs: int = setting(5, "In how many distillation grows from 0 to its weight.", at_least=0)
    distillation_temperature: float = setting(2.0, "Of the soft predictions.", at_least=1e-6)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return GumbelTopK(
            space,
            options,
            self.sub_graphs,
            Linear(self.temperature.start, self.temperature.end, reach=True),
            permute=self.permute,
            seed=seed,
        )

    def weight_objectives(self) -> tuple[Objective, ...]:
        if not self.distillation:
            return super().weight_objectives()
        schedule = Ramp(self.distillation, self.distillation_epochs)
        return (*super().weight_objectives(), SupernetDistillation(schedule, self.distillation_temperature))

    def supernet(self, problem: Problem, space: RelaxableSpace, partial: int, seed: int) -> Supernet:
        network = super().supernet(problem, space, partial, seed)
        if self.drop_identity:
            network.drop_identities(Linear(self.drop_identity, 0.0, reach=True), self.drop_block)
        return network
