"""Planetoid folders: Cora, CiteSeer and PubMed as their authors keep them (Yang, Cohen & Salakhutdinov, ICML 2016).

The files are Python 2 pickles. What they are allowed to hold is arrays, sparse matrices and lists: anything else is
refused, since a pickle can run whatever its author likes.
"""

from __future__ import annotations

import io
import pickle
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.reading import read_bytes, read_text
from nascence.tasks.graphs.graph import UNKNOWN
from nascence.tasks.graphs.raw import Masks, RawGraph
from nascence.tasks.graphs.recognising import planetoid_folder

_LARGEST = 2**30
_VALIDATION = 500
"""Nodes after the training ones that validate in the public split."""


def read_planetoid(path: Path) -> RawGraph:
    """A folder with the eight files ``ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}``, or one with them in ``raw``.

    A test node that has neither features nor a class (CiteSeer has 15, without edges) gets features of 0 and an unknown
    class. Edges from a node to itself are left out. ``public``: 20 training nodes a class, the next 500 validate, the
    test nodes judge. Raises :class:`DataError`.
    """
    found = planetoid_folder(path)
    if found is None:
        raise DataError(f"{path} has no files ind.NAME.graph in it, nor in its folder raw.")
    folder, name = found
    parts = {part: _load(folder / f"ind.{name}.{part}") for part in ("x", "tx", "allx", "y", "ty", "ally", "graph")}
    index_file = folder / f"ind.{name}.test.index"
    try:
        judged = torch.tensor([int(word) for word in read_text(index_file, DataError).split()])
        known = len(parts["allx"])
        nodes = max(known, int(judged.max()) + 1)
        features = np.zeros((nodes, parts["allx"].shape[1]), np.float32)
        features[:known], features[judged] = parts["allx"], parts["tx"]
        labels = torch.full((nodes,), UNKNOWN)
        labels[:known], labels[judged] = _classes(parts["ally"]), _classes(parts["ty"])
        edges = torch.tensor([(a, b) for a, others in parts["graph"].items() for b in others if a != b]).T
        masks = _public(len(parts["y"]), judged, labels, nodes)
    except (ValueError, TypeError, AttributeError, IndexError, RuntimeError):
        raise DataError(f"The files in {folder} do not fit each other; fetch them again.") from None
    return RawGraph(name, torch.from_numpy(features), labels, edges, {"public": masks})


def _classes(one_hot: np.ndarray) -> Tensor:
    classes = torch.from_numpy(one_hot.argmax(1).astype(np.int64))
    classes[torch.from_numpy(~one_hot.any(1))] = UNKNOWN
    return classes


def _public(training: int, judged: Tensor, labels: Tensor, nodes: int) -> Masks:
    places = torch.arange(nodes)
    train, validation = places < training, (places >= training) & (places < training + _VALIDATION)
    test = torch.zeros(nodes, dtype=torch.bool)
    test[judged] = labels[judged] != UNKNOWN
    return train, validation & ~test, test


@final
class _Sparse:
    """A stored ``csr_matrix``: only what it remembers of itself."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def dense(self) -> np.ndarray:
        shape = self.state["_shape"]
        array = np.zeros(shape, np.float32)
        rows = np.repeat(np.arange(shape[0]), np.diff(self.state["indptr"]))
        np.add.at(array, (rows, self.state["indices"]), self.state["data"])
        return array


@final
class _Plain(pickle.Unpickler):
    """Arrays, sparse matrices, lists and dictionaries."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "csr_matrix":
            return _Sparse
        if name == "defaultdict" and module == "collections":
            return defaultdict
        if name == "encode" and module == "_codecs":  # how bytes are written by Python 3 for Python 2
            return lambda text, encoding: str(text).encode("latin1")
        if name == "list" and module in ("__builtin__", "builtins"):
            return list
        if re.fullmatch(r"numpy(\.\w+)*", module):
            if name == "_reconstruct":
                return np.empty(0).__reduce__()[0]
            if name in ("ndarray", "dtype"):
                return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def _load(path: Path) -> Any:
    content = read_bytes(path, DataError, largest=_LARGEST)
    try:
        value = _Plain(io.BytesIO(content), encoding="latin1").load()
        return value.dense() if isinstance(value, _Sparse) else value
    except Exception as error:  # noqa: BLE001 - a damaged pickle may raise anything
        raise DataError(f"{path} is no file of a Planetoid data set ({error}).") from None


__all__ = ["planetoid_folder", "read_planetoid"]
