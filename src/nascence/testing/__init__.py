"""For authors of spaces, scores and methods: checks to inherit and problems with known answers.

Nothing of the product imports this package. pytest collects the checks; nothing else has to be installed for them.
"""

from nascence.testing.conformance import (
    CellSpaceConformance,
    MethodConformance,
    ScoreConformance,
    SpaceConformance,
)
from nascence.testing.relaxable import RelaxableSpaceConformance
from nascence.testing.tasks import TaskConformance
from nascence.testing.toy import AdditiveObjective, ToySpace, toy_space
from nascence.testing.toy_denoising import ToyDenoiserSpace, ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import ToyGraphSpace, toy_graph_space, toy_graph_task
from nascence.testing.toy_loaders import ToyGraphLoader, ToyPicturesLoader, register_toys
from nascence.testing.toy_widths import ToyWidths, toy_widths

__all__ = [
    "AdditiveObjective",
    "CellSpaceConformance",
    "MethodConformance",
    "RelaxableSpaceConformance",
    "ScoreConformance",
    "SpaceConformance",
    "TaskConformance",
    "ToyDenoiserSpace",
    "ToyDenoising",
    "ToyGraphLoader",
    "ToyGraphSpace",
    "ToyPicturesLoader",
    "ToySpace",
    "ToyWidths",
    "register_toys",
    "toy_denoiser_space",
    "toy_graph_space",
    "toy_graph_task",
    "toy_space",
    "toy_widths",
]
