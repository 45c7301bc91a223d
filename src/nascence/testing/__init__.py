"""For authors of spaces, scores and methods: checks to inherit and problems with known answers.

Nothing of the product imports this package; it needs the development extra (hypothesis).
"""

from nascence.testing.conformance import (
    CellSpaceConformance,
    MethodConformance,
    ScoreConformance,
    SpaceConformance,
)
from nascence.testing.toy import AdditiveObjective, ToySpace, toy_space

__all__ = [
    "AdditiveObjective",
    "CellSpaceConformance",
    "MethodConformance",
    "ScoreConformance",
    "SpaceConformance",
    "ToySpace",
    "toy_space",
]
