"""Objectives, one file a term: differentiable parts of a search loss, each with a weight schedule."""

from nascence.objectives.base import Evaluated, Objective, total
from nascence.objectives.beta_decay import BetaDecay
from nascence.objectives.complexity import Complexity
from nascence.objectives.cross_entropy import CrossEntropy
from nascence.objectives.dirichlet_anchor import DirichletAnchor
from nascence.objectives.predicted_latency import PredictedLatency

__all__ = [
    "BetaDecay",
    "Complexity",
    "CrossEntropy",
    "DirichletAnchor",
    "Evaluated",
    "Objective",
    "PredictedLatency",
    "total",
]
