"""Explicitly learned topology: which edges a node keeps is learned with its operations, invalid ones are punished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.declaring import part, setting
from nascence.errors import SettingError
from nascence.methods.gradient import GradientMethod
from nascence.methods.parts import Temperature
from nascence.methods.presets import LAPTOP, LAPTOP_DARTS
from nascence.objectives import Objective
from nascence.objectives.passive_aggressive import EdgeCount, PassiveAggressive
from nascence.relaxations import Dirichlet, ExplicitTopology, GumbelSoftmax, Relaxation, Softmax
from nascence.schedules import Constant, Exponential, Linear
from nascence.spaces.cells import cell_space
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class ExplicitTopologyNAS(GradientMethod):
    """*Explicitly Learning Topology for Differentiable NAS* (Huang, You, Yang, Tu, Wang, Qian & Zhang, arXiv
    2011.09300), which its authors call TopoNAS, as does a later paper that has nothing to do with it (``toponas``)."""

    name: ClassVar[str] = "explicit-topology"
    title: ClassVar[str] = "Explicit topology (reconstruction): sets of edges learned with the operations"
    paper: ClassVar[str] = "arXiv 2011.09300"
    caveat: ClassVar[str] = (
        "explicit-topology is a reconstruction: only the paper's abstract could be read, and the formulas of the "
        "distribution and of the passive-aggressive penalty are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**LAPTOP, "topology_learning_rate": 0.03},
        "laptop-darts": {**LAPTOP_DARTS, "topology_learning_rate": 0.03},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network.all_operations": False, "temperature.start": 5.0}
    DECIDES: ClassVar[Mapping[str, str]] = {"edge_normalisation": "learns the edges itself"}

    sampler: Literal["softmax", "gumbel", "dirichlet"] = setting(
        "softmax", "How the operations are relaxed, as in darts, gdas or drnas."
    )
    temperature: Temperature = part(Temperature)
    topology_learning_rate: float = setting(
        3e-3, "Of Adam on the logits of sets of edges, which do not decay.", at_least=0
    )
    validity: float = setting(
        1.0,
        "Weight of the passive-aggressive penalty, growing from 0 to this over the search; where every architecture of "
        "a space is valid, as on darts, it is always zero.",
        at_least=0,
    )
    edge_cost: float = setting(0.0, "Weight of the expected number of edges, for smaller cells.", at_least=0)

    def relaxation(self, space: RelaxableSpace, options: Mapping[str, tuple[str, ...]], seed: int) -> Relaxation:
        cells = cell_space(space, self.name)
        operations = tuple(name for name in options[cells.kinds[0]] if name != "none")
        if not operations:
            raise SettingError(f"exclude leaves no operation of {space.name} but none; keep one or more.")
        inner: dict[str, Callable[[], Relaxation]] = {
            "softmax": lambda: Softmax(space, operations, seed=seed),
            "gumbel": lambda: GumbelSoftmax(space, operations, Linear(10.0, 0.1, reach=True), seed=seed),
            "dirichlet": lambda: Dirichlet(space, operations, seed=seed),
        }
        return ExplicitTopology(
            inner[self.sampler](),
            Exponential(self.temperature.start, self.temperature.end),
            learning_rate=self.topology_learning_rate,
        )

    def objectives(self) -> tuple[Objective, ...]:
        terms = list(super().objectives())
        if self.validity:
            terms.append(PassiveAggressive(Linear(0.0, self.validity, reach=True)))
        if self.edge_cost:
            terms.append(EdgeCount(Constant(self.edge_cost)))
        return tuple(terms)
