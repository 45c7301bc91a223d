"""NAS-Bench-Graph: what trained networks of a chain space reach, looked up in the benchmark's own package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, final

from nascence.architecture import Architecture
from nascence.errors import DataError, MissingExtraError

_LINKS = {"none": [0, 1, 2, 3], "first": [0, 1, 2, 1], "second": [0, 1, 2, 2]}
"""The input of each of the four nodes; the fourth is a skip, and what no node reads goes to the output."""
DATASETS = ("cora", "citeseer", "pubmed", "cs", "physics", "photo", "computers", "arxiv")


@final
@dataclass(frozen=True)
class Looked:
    """Accuracies in percent, means over the benchmark's three seeds; Planetoid graphs on the public split."""

    validation: float
    test: float


def look_up(architecture: Architecture, dataset: str) -> Looked:
    """Of an architecture of ``nas-bench-graph-chains``.

    Raises :class:`DataError` for an unknown data set, :class:`MissingExtraError` without ``nas-bench-graph``.
    """
    *layers, jump = architecture.answers
    package = _package()
    # without a jump the fourth node only hands on what the third says
    known = _table(dataset).get(package.Arch(list(_LINKS[jump]), [*layers, "skip"]).valid_hash())
    assert known is not None, f"{architecture} is not in the benchmark"
    return Looked(100 * known["valid_perf"], 100 * known["perf"])


@cache
def _table(dataset: str) -> dict[int, dict[str, Any]]:
    if dataset not in DATASETS:
        raise DataError(f"NAS-Bench-Graph has no data set '{dataset}'; it has: {', '.join(DATASETS)}.")
    table: dict[int, dict[str, Any]] = _package().light_read(dataset)
    return table


def _package() -> Any:
    try:
        import nas_bench_graph
    except ImportError:
        raise MissingExtraError("nas-bench-graph", "dev") from None
    return nas_bench_graph


__all__ = ["DATASETS", "Looked", "look_up"]
