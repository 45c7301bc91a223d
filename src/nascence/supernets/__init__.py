"""Supernets: one module that holds all options of a space, evaluated under mixing weights; and relaxations, which make
mixing weights from architecture parameters."""

from nascence.supernets.supernet import MixedCell, MixingWeights, Supernet

__all__ = ["MixedCell", "MixingWeights", "Supernet"]
