"""Ways to walk a space, one file each."""

from nascence.strategies.base import Strategy
from nascence.strategies.pareto import Criterion, Front

__all__ = ["Criterion", "Front", "Strategy"]
