"""SANE: differentiable search for graph networks, from several seeds; the networks that it finds are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, final

from nascence.architecture import Architecture
from nascence.declaring import setting
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.relaxations import Options, Relaxation, Softmax
from nascence.seeding import derive_seed
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies import Strategy
from nascence.strategies.candidates import Candidates
from nascence.training import Training, TrainingConfig


@final
@dataclass(frozen=True, kw_only=True)
class SANE(GradientMethod):
    """SANE (Zhao, Yao & Tu, ICDE 2021, arXiv 2104.06608)."""

    name: ClassVar[str] = "sane"
    title: ClassVar[str] = "SANE: softmax over aggregators, skips and fusions of a graph network, from several seeds"
    paper: ClassVar[str] = "arXiv 2104.06608"
    caveat: ClassVar[str] = (
        "Weights are trained alone first and by Adam, since the authors' settings leave the supernet untrained; "
        "candidates are compared by one training each before the best is tuned, where the paper tunes all of them."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "laptop": {},
        "paper": {
            "epochs": 200,
            "warmup_epochs": 0,
            "weights_optimizer": "sgd",
            "learning_rate": 0.025,
            "final_learning_rate": 0.001,
            "architecture_learning_rate": 3e-4,
            "searches": 5,
        },
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "epochs": 60,
        "warmup_epochs": 30,
        "weights.optimizer": "adam",
        "weights.learning_rate": 0.01,
        "weights.weight_decay": 5e-4,
        "architecture.learning_rate": 0.05,
        "data.architecture": "validation",
    }

    searches: int = setting(5, "From different seeds; each gives a candidate.", at_least=1)
    candidate_epochs: int = setting(
        100,
        "Of the training by which candidates are compared, on the validation part, where there are several.",
        at_least=1,
    )

    def relaxation(self, space: RelaxableSpace, options: Options, seed: int) -> Relaxation:
        return Softmax(space, options, seed=seed)

    def arranged(self, problem: Problem, search: Callable[[Problem], Strategy]) -> Strategy:
        seeds = [problem.seed, *(derive_seed(problem.seed, "search", at) for at in range(1, self.searches))]
        each = [partial(search, replace(problem, seed=seed)) for seed in seeds]
        value = partial(validated, problem, self.candidate_epochs)
        return Candidates(each, value, problem.space.parse)


def validated(problem: Problem, epochs: int, architecture: Architecture) -> float:
    """The metric on the validation part at the best epoch of a training of the size that is trained in the end; its
    negative where smaller is better."""
    task, seed = problem.task, derive_seed(problem.seed, "candidate")
    config = TrainingConfig.suggested(task, epochs=epochs)
    model = problem.space.build(
        architecture, network=problem.network, signature=task.signature, seed=derive_seed(seed, "initial weights")
    )
    training = Training(model, task, config, seed=seed)
    while not training.done:
        training.advance()
    assert training.best is not None
    value = float(training.best["value"])
    return value if task.metric.larger_is_better else -value


__all__ = ["SANE", "validated"]
