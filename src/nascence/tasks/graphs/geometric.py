"""From PyTorch Geometric's ``Data`` objects, in Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nascence.errors import DataError
from nascence.tasks.graphs.node_classification import NodeClassification
from nascence.tasks.graphs.raw import Masks, NodeSettings, RawGraph, assemble
from nascence.writing import replacing


def node_classification(data: Any, *, name: str = "graph", seed: int = 0, **settings: Any) -> NodeClassification:
    """The task of a ``torch_geometric.data.Data`` object: ``x``, ``y``, ``edge_index`` and, if present, ``train_mask``,
    ``val_mask`` and ``test_mask`` ([N], or [N, S] for S splits).

    ``settings``: those of :class:`nascence.tasks.graphs.raw.NodeSettings`. ``seed``: of a random split. Anything with
    these attributes will do; PyTorch Geometric itself is not needed. Raises :class:`DataError`.
    """
    return assemble(_raw(data, name), NodeSettings(**settings), seed)


def write_graph(data: Any, path: str | os.PathLike[str], *, directed: bool = False) -> Path:
    """The ``.npz`` file of a ``Data`` object, for ``nascence.search(data=...)`` and every command; a file that was
    there is replaced. ``directed``: edges have one direction. Raises :class:`DataError` before anything is written,
    also where the graph does not hold together, and ``OSError``.
    """
    where = Path(path)
    if where.suffix != ".npz":
        raise DataError(f"A graph's file ends in .npz, and '{where.name}' does not.")
    raw = _raw(data, where.stem)
    assemble(raw, NodeSettings(directed=directed, untrained_classes=True))
    arrays: dict[str, Any] = {
        "features": raw.features.numpy(),
        "labels": raw.labels.numpy(),
        "edges": raw.edges.T.numpy(),
    }
    names = ("train_mask", "val_mask", "test_mask")
    arrays |= {name: mask.cpu().numpy() for name, mask in zip(names, raw.masks.get("given", ()), strict=False)}
    with replacing(where) as (file, _):
        np.savez_compressed(file, directed=np.array(directed), **arrays)
    return where


def _raw(data: Any, name: str) -> RawGraph:
    missing = [part for part in ("x", "y", "edge_index") if not isinstance(getattr(data, part, None), Tensor)]
    if missing:
        raise DataError(f"This graph has no {missing[0]}; expected x [N, F], y [N] and edge_index [2, E].")
    labels = data.y[:, 0] if data.y.dim() == 2 and data.y.shape[1] == 1 else data.y
    if labels.is_floating_point():
        raise DataError("The labels y of this graph are no whole numbers; expected a class for each node.")
    parts = [getattr(data, part, None) for part in ("train_mask", "val_mask", "test_mask")]
    masks: dict[str, Masks] = {}
    if all(isinstance(part, Tensor) for part in parts):
        rows: list[Tensor] = [part.T if part.dim() == 2 else part for part in parts if part is not None]
        masks["given"] = (rows[0], rows[1], rows[2])
    elif any(isinstance(part, Tensor) for part in parts):
        raise DataError("This graph has masks for some parts only; give train_mask, val_mask and test_mask, or none.")
    return RawGraph(name, data.x.detach().cpu().float(), labels.cpu(), data.edge_index.cpu(), masks)


def as_data(task: NodeClassification) -> Any:
    """The graph as a ``torch_geometric.data.Data`` object with its masks, for anything else that takes one.

    Raises :class:`nascence.errors.MissingExtraError` without PyTorch Geometric.
    """
    from nascence.operations.graphs import geometric

    features, edges = task.whole
    masks = {"train_mask": task.split.train, "val_mask": task.split.validation, "test_mask": task.split.test}
    return geometric().data.Data(x=features, y=task.graph.labels, edge_index=edges, **masks)


__all__ = ["as_data", "node_classification", "write_graph"]
