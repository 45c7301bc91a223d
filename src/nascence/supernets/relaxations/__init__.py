"""Relaxations, one file each: from architecture parameters to mixing weights, and to an architecture."""

from nascence.supernets.relaxations.base import LogitRelaxation, Relaxation, participants
from nascence.supernets.relaxations.dirichlet import Dirichlet
from nascence.supernets.relaxations.dots import DecoupledTopology
from nascence.supernets.relaxations.edges import EdgeNormalised
from nascence.supernets.relaxations.explicit_topology import ExplicitTopology
from nascence.supernets.relaxations.gumbel import GumbelSoftmax, gumbel_softmax
from nascence.supernets.relaxations.gumbel_top_k import GumbelTopK
from nascence.supernets.relaxations.softmax import Softmax

__all__ = [
    "DecoupledTopology",
    "Dirichlet",
    "EdgeNormalised",
    "ExplicitTopology",
    "GumbelSoftmax",
    "GumbelTopK",
    "LogitRelaxation",
    "Relaxation",
    "Softmax",
    "gumbel_softmax",
    "participants",
]
