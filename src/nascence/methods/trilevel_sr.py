"""Trilevel NAS for super-resolution: paths, operations and widths in one differentiable search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.methods.base import Problem, at_least
from nascence.methods.gradient import GradientMethod
from nascence.objectives import Objective, TaskLoss
from nascence.objectives.log_cost import LogCost
from nascence.objectives.path_order import PathOrder
from nascence.relaxations import GumbelSoftmax, Options, Relaxation, Softmax
from nascence.relaxations.joint import Joint
from nascence.relaxations.sandwich import Sandwich
from nascence.relaxations.sparsestmax import Sparsestmax
from nascence.schedules import Constant, Linear
from nascence.spaces.relaxable import RelaxableSpace

LAPTOP: dict[str, Any] = {
    "size": "search-small",
    "epochs": 12,
    "warmup_epochs": 3,
    "epoch_images": 160,
    "batch_size": 4,
    "image_size": 16,
    "learning_rate": 1e-3,
    "final_learning_rate": 1e-4,
    "architecture_learning_rate": 1e-2,
    "cost_weight": 1e-3,
    "check_images": 4,
}
"""Few steps on small patches; for the space path-tree-small."""


@final
@dataclass(frozen=True, kw_only=True)
class TrilevelSR(GradientMethod):
    """Trilevel NAS (Wu et al., arXiv 2101.06658): paths and operations by sparsestmax, whose radius grows from 0 to 1
    until one of each is left; widths by hard Gumbel draws; every step also at the widest and the narrowest widths.

    ``sparse``: sparsestmax, or softmax for its ablation. ``order_weight``: of the term that sorts paths.
    ``sandwich``: whether each step runs the extreme widths too.
    """

    name: ClassVar[str] = "trilevel-sr"
    title: ClassVar[str] = "Trilevel NAS for super-resolution: sparse paths and operations, sampled widths"
    paper: ClassVar[str] = "arXiv 2101.06658"
    caveat: ClassVar[str] = (
        "Of the paper on trilevel-sr only the abstract could be read; the space and the relaxations follow the code of "
        "a follow-up, and the sorting term, the cost's logarithm and the training on true pictures are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "laptop": LAPTOP}

    epochs: int = 100
    batch_size: int = 4
    weights_optimizer: Literal["sgd", "adam"] = "adam"
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-5
    weight_decay: float = 0.0
    architecture_weight_decay: float = 0.0
    check_images: int = 16
    sparse: Literal["sparsestmax", "softmax"] = "sparsestmax"
    order_weight: float = 0.1
    cost_weight: float = 1e-3
    sandwich: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, order_weight=self.order_weight)

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        def sparse(groups: Any, seed: int) -> Relaxation:
            if self.sparse == "softmax":
                return Softmax(space, options, groups=groups, seed=seed)
            return Sparsestmax(space, options, Linear(0.0, 1.0, reach=True), groups=groups, seed=seed)

        def sampled(groups: Any, seed: int) -> Relaxation:
            return GumbelSoftmax(space, options, Constant(1.0), groups=groups, seed=seed)

        widths = any(group.role == "width" for group in space.groups)
        joint = Joint(space, {"": sparse, **({"width": sampled} if widths else {})}, seed=seed)
        return Sandwich(joint, always=True) if self.sandwich and widths else joint

    def objectives(self) -> tuple[Objective, ...]:
        terms: list[Objective] = [TaskLoss()]
        if self.order_weight:
            terms.append(PathOrder(Constant(self.order_weight)))
        return tuple(terms)

    def prices(self, problem: Problem, space: RelaxableSpace) -> tuple[Objective, ...]:
        """Parameters and FLOPs as the supernet expects them: over all paths, while what would be found has one."""
        if not self.cost_weight or self.cost == "latency_ms" or self.cost_form != "log":
            return super().prices(problem, space)
        return (LogCost(Constant(self.cost_weight), self.cost),)


__all__ = ["TrilevelSR"]
