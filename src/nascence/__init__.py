"""Nascence finds a neural network that fits your data and your device, before anyone trains it."""

from typing import TYPE_CHECKING, Any

from nascence.architecture import Architecture
from nascence.version import __version__

if TYPE_CHECKING:
    from nascence.api import (
        Prediction,
        SearchResult,
        TrainResult,
        attack,
        compare,
        correlate,
        draw_ensemble,
        export,
        load_model,
        measure,
        measure_networks,
        measure_table,
        plan,
        predict,
        resume,
        score,
        score_many,
        search,
        train,
    )

__all__ = [
    "Architecture",
    "Prediction",
    "SearchResult",
    "TrainResult",
    "__version__",
    "attack",
    "compare",
    "correlate",
    "draw_ensemble",
    "export",
    "load_model",
    "measure",
    "measure_networks",
    "measure_table",
    "plan",
    "predict",
    "resume",
    "score",
    "score_many",
    "search",
    "train",
]


def __dir__() -> list[str]:
    """What there is, whether it was used already or not."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """The names of :mod:`nascence.api`, imported when first used, so that ``import nascence`` stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module 'nascence' has no attribute '{name}'")
    from nascence import api

    return getattr(api, name)
