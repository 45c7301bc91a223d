"""Ways to walk a space, one file each."""

from nascence.strategies.base import Strategy
from nascence.strategies.pareto import Front, Objective

__all__ = ["Front", "Objective", "Strategy"]
