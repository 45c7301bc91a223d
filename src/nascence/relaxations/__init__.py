"""Relaxations, one file each: from architecture parameters to mixing weights, and to an architecture."""

from nascence.relaxations.base import LogitRelaxation, Options, Relaxation, participants
from nascence.relaxations.dirichlet import Dirichlet
from nascence.relaxations.dots import DecoupledTopology
from nascence.relaxations.edges import EdgeNormalised
from nascence.relaxations.explicit_topology import ExplicitTopology
from nascence.relaxations.fixed import FixedArchitecture
from nascence.relaxations.gumbel import GumbelSoftmax, gumbel_softmax
from nascence.relaxations.gumbel_top_k import GumbelTopK
from nascence.relaxations.joint import Joint
from nascence.relaxations.posterior import VariationalPosterior
from nascence.relaxations.soft_gumbel import SoftGumbel
from nascence.relaxations.softmax import Softmax
from nascence.relaxations.tied import Tied
from nascence.relaxations.uniform import UniformPath

__all__ = [
    "DecoupledTopology",
    "Dirichlet",
    "EdgeNormalised",
    "ExplicitTopology",
    "FixedArchitecture",
    "GumbelSoftmax",
    "GumbelTopK",
    "Joint",
    "LogitRelaxation",
    "Options",
    "Relaxation",
    "SoftGumbel",
    "Softmax",
    "Tied",
    "UniformPath",
    "VariationalPosterior",
    "gumbel_softmax",
    "participants",
]
