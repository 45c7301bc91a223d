"""From what a file holds to a task: which split, which metric, whole or sampled, and features scaled or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from torch import Tensor

from nascence.declaring import Settings, setting
from nascence.errors import DataError, SettingError
from nascence.tasks.graphs.graph import make_graph
from nascence.tasks.graphs.node_classification import FANOUTS, WHOLE, NodeClassification
from nascence.tasks.graphs.splits import NodeSplit, given_split, random_split

Masks = tuple[Tensor, Tensor, Tensor]
"""Training, validation, test: booleans [N], or [S, N] for S splits."""


@final
@dataclass(frozen=True, kw_only=True)
class NodeSettings(Settings):
    """How a graph with a class a node is read."""

    split: Literal["auto", "random", "given", "public"] = setting(
        "auto",
        "random (60/20/20 of every class, by split_seed), given (the masks in the file, number split_number of them), "
        "public (the 20 nodes a class of Planetoid), or auto for given where there are masks, else random.",
    )
    split_number: int = setting(0, "Of the given splits, from 0.")
    split_seed: int | None = setting(None, "Of the random split, none for the seed of the data.")
    scoring: Literal["auto", "accuracy", "macro_f1", "roc_auc"] = setting(
        "auto", "auto is roc_auc where there are two classes, else accuracy."
    )
    features: Literal["plain", "rows", "columns"] = setting(
        "plain",
        "rows divides every node's features by their sum, columns brings every feature to mean 0 and deviation 1, "
        "plain leaves them.",
    )
    directed: bool = setting(False, "Edges have one direction; otherwise they mean both.")
    fanouts: tuple[int, ...] | None = setting(
        None,
        "So many edges into a node are drawn, hop by hop, and batches are nodes with their neighbourhoods; 0 sees the "
        "whole graph at once; none for the whole graph where it is small enough.",
    )
    untrained_classes: bool = setting(False, "Classes without a training node are accepted.")

    def __post_init__(self) -> None:
        if self.fanouts and self.fanouts != (0,) and min(self.fanouts) < 1:
            raise SettingError(f"fanouts are numbers of edges, 1 or more for each hop, got {list(self.fanouts)}.")
        if self.split_number and self.split in ("random", "public"):
            raise SettingError(f"split_number is about given splits; it is of no use with split={self.split}.")
        if self.split_seed is not None and self.split in ("given", "public"):
            raise SettingError(f"split_seed is about random splits; it is of no use with split={self.split}.")


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
