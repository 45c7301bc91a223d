"""Whether a file or a folder is a graph, from names alone and without PyTorch."""

from __future__ import annotations

from pathlib import Path

from nascence.tasks.npz import array_names

# What an array is called in a file of one's own, and in the authors' files.
FEATURES = ("features", "node_features")
LABELS = ("labels", "node_labels")
EDGES = "edges"


def is_graph_file(path: Path) -> bool:
    """Whether an ``.npz`` has features, labels and edges, from the names in it."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    names = array_names(path)
    return EDGES in names and not names.isdisjoint((*FEATURES, *LABELS))


def planetoid_folder(path: Path) -> tuple[Path, str] | None:
    """The folder of the ``ind.NAME.*`` files in ``path`` or its ``raw``, and NAME; None where there is none."""
    for folder in (path / "raw", path):
        found = sorted(folder.glob("ind.*.graph")) if folder.is_dir() else []
        if found:
            return folder, found[0].name.split(".")[1]
    return None


__all__ = ["EDGES", "FEATURES", "LABELS", "is_graph_file", "planetoid_folder"]
