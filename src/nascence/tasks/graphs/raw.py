"""From what a file holds to a task: which split, which metric, whole or sampled, and features scaled or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.tasks.graphs.graph import make_graph
from nascence.tasks.graphs.node_classification import FANOUTS, WHOLE, NodeClassification
from nascence.tasks.graphs.settings import NodeSettings
from nascence.tasks.graphs.splits import NodeSplit, given_split, random_split

Masks = tuple[Tensor, Tensor, Tensor]
"""Training, validation, test: booleans [N], or [S, N] for S splits."""


@final
@dataclass(frozen=True, eq=False)
class RawGraph:
    """What a source holds. ``labels``: any integers, -1 for unknown; ``edges`` int64 [2, E] as they stand there.
    ``masks``: by name, ``given`` and ``public``. ``directed``: what the source says of its edges."""

    name: str
    features: Tensor
    labels: Tensor
    edges: Tensor
    masks: Mapping[str, Masks] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    directed: bool = False


def assemble(raw: RawGraph, settings: NodeSettings, seed: int = 0) -> NodeClassification:
    """The task. Raises :class:`DataError` and :class:`SettingError`."""
    graph, remarks = make_graph(
        raw.name,
        raw.features,
        raw.labels,
        raw.edges,
        directed=settings.directed or raw.directed,
        class_names=raw.class_names,
    )
    graph.features.copy_(scaled(graph.features, settings.features))
    kind = settings.split
    if kind == "auto":
        kind = "given" if "given" in raw.masks else "random"
    if settings.split_number and kind != "given":
        raise SettingError(f"split_number is about given splits, and '{raw.name}' has none.")
    split: NodeSplit
    if kind == "random":
        split = random_split(graph, seed if settings.split_seed is None else settings.split_seed)
    elif kind not in raw.masks:
        there = ", ".join(("random", *raw.masks))
        raise DataError(f"'{raw.name}' has no {kind} split; it has: {there}.")
    else:
        split = given_split(*raw.masks[kind], settings.split_number, kind)
    fanouts: tuple[int, ...] | None = settings.fanouts
    if fanouts is None:
        fanouts = FANOUTS if graph.nodes + graph.edges.shape[1] > WHOLE else None
    elif fanouts == (0,):
        fanouts = None
    scoring = None if settings.scoring == "auto" else settings.scoring
    return NodeClassification(raw.name, graph, split, scoring, fanouts, remarks, settings.untrained_classes)


def scaled(features_NF: Tensor, scaling: str) -> Tensor:
    """``plain``, ``rows`` or ``columns``: see :class:`NodeSettings`."""
    return _SCALINGS[scaling](features_NF)


def _rows(features_NF: Tensor) -> Tensor:
    return features_NF / features_NF.abs().sum(1, keepdim=True).clamp(min=1e-12)


def _columns(features_NF: Tensor) -> Tensor:
    return (features_NF - features_NF.mean(0)) / features_NF.std(0, correction=0).clamp(min=1e-6)


_SCALINGS = {"rows": _rows, "columns": _columns, "plain": lambda features_NF: features_NF}


__all__ = ["Masks", "NodeSettings", "RawGraph", "assemble", "scaled"]
