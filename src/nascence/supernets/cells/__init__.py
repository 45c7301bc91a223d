"""The supernet of a cell space: operations with one source run together."""

from nascence.supernets.cells.supernet import CellSupernet, MixedCell

__all__ = ["CellSupernet", "MixedCell"]
