"""Supernets: one module that holds all options of a space, evaluated under mixing weights.

:mod:`nascence.supernets.base` is the protocol, :mod:`nascence.supernets.mixed` the parts to put one together from,
:mod:`nascence.supernets.cells` the fused form of cells.
"""

from nascence.supernets.base import Supernet
from nascence.supernets.extents import Extent
from nascence.supernets.groups import ChoiceGroup, MixingWeights
from nascence.supernets.inheriting import inherited_state
from nascence.supernets.mixed import (
    MaskedWidth,
    MixedOperation,
    MixedPart,
    MixedResolution,
    MixedSum,
    MixedSupernet,
)

__all__ = [
    "ChoiceGroup",
    "Extent",
    "MaskedWidth",
    "MixedOperation",
    "MixedPart",
    "MixedResolution",
    "MixedSum",
    "MixedSupernet",
    "MixingWeights",
    "Supernet",
    "inherited_state",
]
