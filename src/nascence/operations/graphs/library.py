"""PyTorch Geometric, where it is installed."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from nascence.errors import MissingExtraError


def geometric() -> Any:
    """The module ``torch_geometric`` with its ``nn`` and ``data``. Raises :class:`MissingExtraError`."""
    try:
        with warnings.catch_warnings():  # it speaks of compiled libraries that it can do without
            warnings.simplefilter("ignore")
            library = importlib.import_module("torch_geometric")
            importlib.import_module("torch_geometric.nn")
            importlib.import_module("torch_geometric.data")
    except ImportError:
        raise MissingExtraError("torch-geometric", "graphs") from None
    return library


__all__ = ["geometric"]
