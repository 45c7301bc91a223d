"""Objectives, one file a term: differentiable parts of a search loss, each with a weight schedule."""

from nascence.objectives.base import Evaluated, Objective, terms, total
from nascence.objectives.beta_decay import BetaDecay
from nascence.objectives.complexity import Complexity
from nascence.objectives.dirichlet_anchor import DirichletAnchor
from nascence.objectives.entropy import NegativeEntropy
from nascence.objectives.predicted_latency import PredictedLatency
from nascence.objectives.prices import ExpectedCost, ExpectedParameters, LogCost
from nascence.objectives.task_loss import TaskLoss

__all__ = [
    "BetaDecay",
    "Complexity",
    "DirichletAnchor",
    "Evaluated",
    "ExpectedCost",
    "ExpectedParameters",
    "LogCost",
    "NegativeEntropy",
    "Objective",
    "PredictedLatency",
    "TaskLoss",
    "terms",
    "total",
]
