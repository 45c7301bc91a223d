"""A network of one's own as a space: how wide each of its layers is, and which residual branches are there.

:mod:`tracing` turns a module into a graph of PyTorch's layers, :mod:`labels` and :mod:`channels` say which channels
hang together, :mod:`branches` which branches can be left out, :mod:`slicing` and :mod:`masking` make the networks.
"""

from nascence.spaces.own.space import OwnSize, OwnSpace

__all__ = ["OwnSize", "OwnSpace"]
