"""Graphs in an ``.npz`` file: one's own, and those of the heterophilous benchmarks (Platonov et al., ICLR 2023)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.tasks.graphs.graph import UNKNOWN
from nascence.tasks.graphs.raw import Masks, RawGraph
from nascence.tasks.graphs.recognising import EDGES, FEATURES, LABELS, is_graph_file
from nascence.tasks.npz import load_arrays

_MASKS = (("train_mask", "train_masks"), ("val_mask", "val_masks"), ("test_mask", "test_masks"))


def read_graph_file(path: Path, *, labelled: bool = True) -> RawGraph:
    """``features`` [N, F], ``labels`` [N] (whole numbers, -1 for unknown; or text, empty for unknown), ``edges`` [E, 2]
    or [2, E] of node numbers from 0; if present ``train_mask``, ``val_mask``, ``test_mask`` [N] (or [S, N], S splits;
    all three or none), ``class_names`` [K], ``directed`` (a single boolean).

    The authors' names (``node_features``, ``node_labels``, ``train_masks`` ...) are understood too. Pickled objects are
    never loaded. Without ``labelled`` labels may be missing, and all are unknown then. Raises :class:`DataError`.
    """
    found, _ = load_arrays(path, "features, labels and edges")
    features = _array(path, found, FEATURES, "iufb")
    if not labelled and not any(name in found for name in LABELS):
        found["labels"] = np.full(len(features), UNKNOWN)
    labels, names = _labels(path, _array(path, found, LABELS, "iufbUS"))
    if "class_names" in found:
        names = tuple(str(name) for name in found["class_names"].reshape(-1))
    edges = _array(path, found, (EDGES,), "iu")
    if edges.ndim != 2 or 2 not in edges.shape:
        raise DataError(f"'{EDGES}' in {path} has the shape {list(edges.shape)}; expected [E, 2] node numbers.")
    pairs = edges.T if edges.shape[1] == 2 else edges
    masks = _masks(path, found, len(labels))
    return RawGraph(
        path.stem,
        torch.from_numpy(features.astype(np.float32)),
        labels,
        torch.from_numpy(np.ascontiguousarray(pairs.astype(np.int64))),
        {} if masks is None else {"given": masks},
        names,
        directed=bool(found["directed"].reshape(-1)[0]) if found.get("directed", np.zeros(0)).size else False,
    )


def _array(path: Path, found: dict[str, np.ndarray], names: tuple[str, ...], kinds: str) -> np.ndarray:
    name = next((name for name in names if name in found), None)
    if name is None:
        there = ", ".join(found) or "nothing"
        raise DataError(f"{path} has no array '{names[0]}'; a graph needs features, labels and edges, it has: {there}.")
    if found[name].dtype.kind not in kinds:
        raise DataError(f"'{name}' in {path} is of type {found[name].dtype}, which is not what it should be.")
    return found[name]


def _labels(path: Path, array: np.ndarray) -> tuple[Tensor, tuple[str, ...] | None]:
    """Whole numbers, and the classes' names where the labels are text."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"The labels in {path} have the shape {list(array.shape)}; expected one for each node.")
    if array.dtype.kind in "US":
        texts = array.astype(str)
        names = sorted(set(texts.tolist()) - {""})
        numbers = {"": UNKNOWN, **{name: at for at, name in enumerate(names)}}
        return torch.tensor([numbers[text] for text in texts.tolist()], dtype=torch.long), tuple(names)
    if array.dtype.kind == "f" and not np.all(array == np.rint(array)):  # NaN is not equal to itself
        raise DataError(f"The labels in {path} are no whole numbers; write -1 for an unknown class.")
    return torch.from_numpy(array.astype(np.int64)), None


def _masks(path: Path, found: dict[str, np.ndarray], nodes: int) -> Masks | None:
    names = [next((name for name in pair if name in found), None) for pair in _MASKS]
    if names == [None, None, None]:
        return None
    masks = []
    for name, pair in zip(names, _MASKS, strict=True):
        if name is None:
            raise DataError(f"{path} has masks for some parts but no '{pair[0]}'; give all three, or none.")
        array = found[name]
        if array.dtype.kind not in "biu" or array.ndim not in (1, 2) or not np.isin(array, (0, 1)).all():
            raise DataError(f"'{name}' in {path} is no mask; expected a boolean for each node.")
        if array.ndim == 2 and array.shape[-1] != nodes and array.shape[0] == nodes:
            array = array.T
        masks.append(torch.from_numpy(np.ascontiguousarray(array.astype(bool))))
    return masks[0], masks[1], masks[2]


__all__ = ["is_graph_file", "read_graph_file"]
