"""Nascence finds a neural network that fits your data and your device, before anyone trains it."""

from nascence.architecture import Architecture

__version__ = "0.1.0"
__all__ = ["Architecture", "__version__"]
