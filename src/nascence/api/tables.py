"""What a tabular benchmark says of a finished search: evaluation only, it never steers one."""

from __future__ import annotations

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


__all__ = ["evaluation_columns", "look_up"]
