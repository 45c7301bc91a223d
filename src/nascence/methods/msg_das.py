"""MSG-DAS: several single-path sub-graphs a step that share no operation, taught by the whole supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.errors import SettingError
from nascence.methods.base import Problem, at_least
from nascence.methods.gradient import LAPTOP, LAPTOP_DARTS, GradientMethod
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
    2107.04324).

    ``sub_graphs``: K a step, run one after the other, so that memory does not grow with K; 1 without dropping and
    distillation is GDAS. ``temperature``, ``final_temperature``: of the Gumbel samples. ``permute``: shuffle the ranks
    on every edge, so that the sub-graphs are alike. ``drop_identity``: share of skip connections' features that is
    dropped in blocks, falling from this to 0 over the search. ``drop_block``: width of a block in pixels.
    ``distillation``: weight of learning from the supernet in the weight step. ``distillation_epochs``: in how many it
    grows from 0 to that. ``distillation_temperature``: of the soft predictions.
    """

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

    epochs: int = 100
    warmup_epochs: int = 10
    first: Literal["architecture", "weights"] = "weights"
    all_operations: bool = False
    sub_graphs: int = 2
    temperature: float = 10.0
    final_temperature: float = 0.1
    permute: bool = False
    drop_identity: float = 0.3
    drop_block: int = 3
    distillation: float = 1.0
    distillation_epochs: int = 5
    distillation_temperature: float = 2.0

    def __post_init__(self) -> None:
        at_least(1, sub_graphs=self.sub_graphs, drop_block=self.drop_block)
        at_least(1e-6, temperature=self.temperature, final_temperature=self.final_temperature)
        at_least(1e-6, distillation_temperature=self.distillation_temperature)
        at_least(0, drop_identity=self.drop_identity, distillation=self.distillation)
        if self.drop_identity >= 1:
            raise SettingError(f"drop_identity is a share below 1, not {self.drop_identity}.")
        at_least(0, distillation_epochs=self.distillation_epochs)
        super().__post_init__()

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return GumbelTopK(
            space,
            options,
            self.sub_graphs,
            Linear(self.temperature, self.final_temperature, reach=True),
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
