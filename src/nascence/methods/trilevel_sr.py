"""Trilevel NAS for super-resolution: paths, operations and widths in one differentiable search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.costs.model import CostModel
from nascence.declaring import setting
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import ENLARGERS
from nascence.objectives import LogCost, Objective, TaskLoss
from nascence.objectives.path_order import PathOrder
from nascence.objectives.prices import equal_weights
from nascence.relaxations import GumbelSoftmax, Options, Relaxation, Softmax
from nascence.relaxations.joint import Joint
from nascence.relaxations.sandwich import Sandwich
from nascence.relaxations.sparsestmax import Sparsestmax
from nascence.schedules import Constant, Linear
from nascence.spaces.relaxable import RelaxableSpace


@final
@dataclass(frozen=True, kw_only=True)
class TrilevelSR(GradientMethod):
    """Trilevel NAS (Wu et al., arXiv 2101.06658): paths and operations by sparsestmax, whose radius grows from 0 to 1
    until one of each is left; widths by hard Gumbel draws; every step also at the widest and the narrowest widths."""

    name: ClassVar[str] = "trilevel-sr"
    title: ClassVar[str] = "Trilevel NAS for super-resolution: sparse paths and operations, sampled widths"
    paper: ClassVar[str] = "arXiv 2101.06658"
    caveat: ClassVar[str] = (
        "Of the paper on trilevel-sr only the abstract could be read; the space and the relaxations follow the code of "
        "a follow-up, and the sorting term, the cost's logarithm and the training on true pictures are ours."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "laptop": ENLARGERS}

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 100,
        "data.batch_size": 4,
        "data.check_images": 16,
        "weights.optimizer": "adam",
        "weights.learning_rate": 1e-4,
        "weights.final_learning_rate": 1e-5,
        "weights.weight_decay": 0.0,
        "architecture.weight_decay": 0.0,
        "price.weight": 1e-3,
    }

    sparse: Literal["sparsestmax", "softmax"] = setting("sparsestmax", "Of paths and operations; softmax ablates it.")
    order_weight: float = setting(
        1e-5, "Of the term that sorts paths; one that outweighs the loss leaves the shortest path alone.", at_least=0
    )
    sandwich: bool = setting(True, "Whether each step runs the extreme widths too.")

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        def sparse(groups: Any, seed: int) -> Relaxation:
            if self.sparse == "softmax":
                return Softmax(space, options, groups=groups, seed=seed)
            return Sparsestmax(space, options, Linear(0.0, 1.0, "moves", reach=True), groups=groups, seed=seed)

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
        price = self.price
        if not price.weight or price.of == "latency_ms":
            return super().prices(problem, space)
        target = 1.0 if price.form == "log" else self._target(problem, space, price.of)
        return (LogCost(Constant(price.weight), price.of, target, price.form),)

    def _target(self, problem: Problem, space: RelaxableSpace, cost: Literal["params", "flops"]) -> float:
        """What the limit on the final network's cost is at the supernet's size: as many times the mean network."""
        final = problem.budget.model
        here = CostModel(space, self._network(space), problem.task.signature, threads=1)
        equal = space.choice_scores(equal_weights(space))
        means = [float(model.expected(cost, equal)) for model in (here, final)]
        return means[0] / means[1] * (self.price.target or problem.budget.budget.limits.get(cost, means[1]))


__all__ = ["TrilevelSR"]
