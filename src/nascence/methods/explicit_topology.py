"""Explicitly learned topology: which edges a node keeps is learned with its operations, invalid ones are punished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.errors import SettingError
from nascence.methods.base import at_least
from nascence.methods.gradient import LAPTOP, LAPTOP_DARTS, GradientMethod
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
    2011.09300), which its authors call TopoNAS, as does a later paper that has nothing to do with it (``toponas``).

    ``sampler``: how the operations are relaxed, as in darts, gdas or drnas.
    ``temperature``, ``final_temperature``: of the distributions over sets of edges. ``topology_learning_rate``: of Adam
    on their logits, which do not decay. ``validity``: weight of the passive-aggressive penalty, growing from 0 to this
    over the search; where every architecture of a space is valid, as on darts, it is always zero. ``edge_cost``: weight
    of the expected number of edges, for smaller cells.
    """

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

    all_operations: bool = False
    sampler: Literal["softmax", "gumbel", "dirichlet"] = "softmax"
    temperature: float = 5.0
    final_temperature: float = 0.1
    topology_learning_rate: float = 3e-3
    validity: float = 1.0
    edge_cost: float = 0.0

    def __post_init__(self) -> None:
        at_least(1e-6, temperature=self.temperature, final_temperature=self.final_temperature)
        at_least(0, topology_learning_rate=self.topology_learning_rate, validity=self.validity)
        at_least(0, edge_cost=self.edge_cost)
        if self.edge_normalisation:
            raise SettingError("explicit-topology learns the edges itself; leave edge_normalisation at false.")
        super().__post_init__()

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
            Exponential(self.temperature, self.final_temperature),
            learning_rate=self.topology_learning_rate,
        )

    def objectives(self) -> tuple[Objective, ...]:
        terms = list(super().objectives())
        if self.validity:
            terms.append(PassiveAggressive(Linear(0.0, self.validity, reach=True)))
        if self.edge_cost:
            terms.append(EdgeCount(Constant(self.edge_cost)))
        return tuple(terms)
