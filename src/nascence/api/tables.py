"""What a tabular benchmark says of a finished search: evaluation only, it never steers one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.architecture import Architecture
from nascence.errors import DataError

if TYPE_CHECKING:
    from nascence.benchmarks import Table


def evaluation_columns(table: Table) -> list[str]:
    """The columns of test accuracy, after the longest training where there are several."""
    found = [name for name in table.columns if "test_acc" in name and not name.endswith("_std")]
    return [name for name in found if "200ep" in name] or found


def look_up(architecture: Architecture, data_dir: str | Path, *, steered: bool = False) -> dict[str, Any] | None:
    """``{"source", "note", "values": {column: value}}`` of an architecture, or None where no table knows it.

    ``steered``: the search read the table; then the note says so.
    """
    from nascence.benchmarks import table_of

    table = table_of(architecture.space, data_dir)
    if table is None:
        return None
    values = {}
    for name in evaluation_columns(table):
        try:
            values[name] = table.value(architecture, name)
        except DataError:
            continue  # a table may leave architectures or numbers out; then there is nothing to say
    note = "for evaluation only: the search did not see these numbers"
    if steered:
        note = "a baseline: the search was steered by this table"
    return {"source": table.source.name, "note": note, "values": values} if values else None


def trajectory(architectures: Mapping[int, Architecture], data_dir: str | Path) -> dict[str, Any] | None:
    """``{"source", "column", "epochs", "values"}``: what a table says of the architecture that a search would have
    ended with after each epoch; None where no table knows the space."""
    from nascence.benchmarks import table_of

    spaces = {architecture.space for architecture in architectures.values()}
    table = table_of(spaces.pop(), data_dir) if len(spaces) == 1 else None
    column = next(iter(evaluation_columns(table)), None) if table is not None else None
    if table is None or column is None:
        return None
    pairs = []
    for epoch, architecture in architectures.items():
        with contextlib.suppress(DataError):  # a table may leave architectures out
            pairs.append((epoch, float(table.value(architecture, column))))
    return {
        "source": table.source.name,
        "column": column,
        "epochs": [epoch for epoch, _ in pairs],
        "values": [value for _, value in pairs],
    }


__all__ = ["evaluation_columns", "look_up", "trajectory"]
