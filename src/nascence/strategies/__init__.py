"""Ways to walk a space, one file each."""

from nascence.strategies.base import Strategy

__all__ = ["Strategy"]
