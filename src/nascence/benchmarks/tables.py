"""Tabular benchmarks: measured numbers for every (or many an) architecture of a space, from parquet or CSV files.

A table only *evaluates* a finished search; a method that is steered by one is a table-driven baseline and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, DataError, NascenceError, UnknownNameError
from nascence.reading import check_plain, read_bytes
from nascence.spaces import Space, get_space


@dataclass(frozen=True)
class TableSource:
    """A table that is known by name: its file below ``<data-dir>/tables`` and the space of its architectures."""

    file: str
    space: str
    description: str


TABLES = {
    "nas-bench-201": TableSource(
        "nas-bench-201.parquet",
        "nas-bench-201",
        "15,625 cells: test accuracy after 200 epochs (mean of 3 seeds) on CIFAR-10 and CIFAR-100, 12-epoch "
        "accuracies, latencies of several devices. From NATS-Bench (Dong et al. 2021), HELP and HW-NAS-Bench.",
    ),
    "nas-bench-macro": TableSource(
        "nas-bench-macro-cifar10.parquet",
        "nas-bench-macro",
        "6,561 macro networks on CIFAR-10: test accuracy (mean of 3 seeds), parameters, MACs (Su et al. 2021).",
    ),
    "channel-bench-macro-mobilenet": TableSource(
        "channel-bench-macro-mobilenet.parquet",
        "channel-bench-macro-mobilenet",
        "16,384 width configurations of a MobileNet on CIFAR-10: test accuracy, parameters, MACs (Su et al. 2021).",
    ),
}
_KEYS = ("architecture", "arch")
MOST_ROWS = 10_000_000
LARGEST_CSV = 2**30


@final
class Table:
    """Rows of numbers by architecture. A column is read when it is first asked for; the file stays where it is.

    ``source`` is a parquet or CSV file with the architecture's text in a column ``architecture`` (or ``arch``).
    """

    def __init__(self, source: Path, space: Space) -> None:
        self.source = source
        self.space = space
        self._values: dict[str, NDArray[np.float64]] = {}
        self._key, self.columns = self._schema()

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def texts(self) -> list[str]:
        """The architectures' texts, in the order of the rows."""
        found = self._read(self._key)
        if found.null_count:
            raise DataError(f"{self.source.name} has a row without an architecture.")
        with readable(self.source):
            return [str(text) for text in found.to_pylist()]

    @cached_property
    def _rows(self) -> dict[Architecture, int]:
        rows: dict[Architecture, int] = {}
        for row, text in enumerate(self.texts):
            try:
                architecture = self.space.parse(text)
            except ArchitectureError as error:
                raise DataError(
                    f"{self.source.name} is no table of the space {self.space.name}; in row {row + 1}: {error}"
                ) from None
            if architecture in rows:
                raise DataError(
                    f"{self.source.name} has '{text}' twice, in rows {rows[architecture] + 1} and {row + 1}."
                )
            rows[architecture] = row
        return rows

    def architectures(self) -> list[Architecture]:
        """The architectures in the order of the rows. Raises :class:`DataError` when one is not of the space."""
        return list(self._rows)

    def __contains__(self, architecture: object) -> bool:
        return architecture in self._rows

    def column(self, name: str) -> NDArray[np.float64]:
        """All values of a column, in the order of the rows. Raises :class:`UnknownNameError`, listing the columns."""
        if name not in self.columns:
            raise UnknownNameError(f"column of {self.source.name}", name, self.columns)
        if name not in self._values:
            with readable(self.source):
                self._values[name] = np.asarray(self._read(name).to_numpy(zero_copy_only=False), dtype=np.float64)
        return self._values[name]

    def value(self, architecture: Architecture, column: str) -> float:
        """One number. Raises :class:`DataError` when the table has no such architecture or no value for it."""
        values = self.column(column)
        row = self._row(architecture)
        if np.isnan(values[row]):
            raise DataError(f"{self.source.name} has no {column} for '{architecture}'.")
        return float(values[row])

    def _row(self, architecture: Architecture) -> int:
        if architecture.space != self.space.name:
            raise DataError(f"{self.source.name} is about {self.space.name}, not about {architecture.space}.")
        # The usual case needs no parsing of all rows: the official index is the row.
        index = self.space.index(architecture)
        if index is not None and index < len(self.texts) and self.texts[index] == self.space.format(architecture):
            return index
        if architecture not in self._rows:
            raise DataError(f"{self.source.name} has no row for '{architecture}'.")
        return self._rows[architecture]

    def _schema(self) -> tuple[str, list[str]]:
        import pyarrow as pa

        if self._is_csv:
            rows, schema = self._csv.num_rows, self._csv.schema
        else:
            opened = _parquet(self.source)
            rows, schema = opened.metadata.num_rows, opened.schema_arrow
        if rows > MOST_ROWS:
            raise DataError(f"{self.source.name} has {rows:,} rows, more than the {MOST_ROWS:,} a table may have.")
        with readable(self.source):
            names = schema.names
        if len(set(names)) < len(names):
            raise DataError(f"{self.source.name} has two columns of one name.")
        key = next((name for name in _KEYS if name in schema.names), None)
        if key is None:
            raise DataError(
                f"{self.source.name} has no column 'architecture'; its columns are {', '.join(schema.names) or 'none'}."
            )
        numeric = [
            field.name
            for field in schema
            if field.name not in (key, "index")
            and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
        ]
        return key, numeric

    @property
    def _is_csv(self) -> bool:
        return self.source.suffix.lower() == ".csv"

    def _read(self, name: str) -> Any:
        with readable(self.source):
            if self._is_csv:
                return self._csv.column(name).combine_chunks()
            return _parquet(self.source).read(columns=[name]).column(name).combine_chunks()

    @cached_property
    def _csv(self) -> Any:
        """A CSV file is read whole, having no columns to read alone; the key stays text even when it looks numeric."""
        import pyarrow as pa
        from pyarrow import csv

        content = read_bytes(self.source, DataError, what="the CSV table", largest=LARGEST_CSV)
        with readable(self.source, "the CSV table"):
            convert = csv.ConvertOptions(column_types={name: pa.string() for name in _KEYS})
            return csv.read_csv(pa.BufferReader(content), convert_options=convert)


def load_table(name: str | Path, data_dir: str | Path | None = None, *, space: str | None = None) -> Table:
    """A table by its name in :data:`TABLES` (below ``<data_dir>/tables``), or a parquet or CSV file by its path.

    ``space`` names the space of a file's architectures; without it, the file's metadata ``space`` says it (the importer
    writes it), or the name of a known table's file. Raises :class:`DataError` when there is no such file, it cannot be
    read, or its first architecture is not of the space.
    """
    known = TABLES.get(str(name))
    if known is not None:
        if data_dir is None:
            raise DataError(f"The table {name} is a file; say where with --data-dir or the variable NASCENCE_DATA.")
        path = Path(data_dir) / "tables" / known.file
        space = space or known.space
    else:
        path = Path(name)
        if path.suffix.lower() not in (".parquet", ".csv"):
            raise DataError(
                f"There is no table '{name}'; expected one of {', '.join(TABLES)}, or a .parquet or .csv file with a "
                "column 'architecture'."
            )
    if not path.is_file():
        raise DataError(f"There is no table at {path}; the documentation says where to get it.")
    space = space or _space_of(path)
    table = Table(path, get_space(space))
    if not table.texts:
        raise DataError(f"{path.name} has no rows.")
    try:
        table.space.parse(table.texts[0])
    except ArchitectureError:
        raise DataError(
            f"{path.name} is no table of the space {space}: its first architecture is '{table.texts[0]}'."
        ) from None
    return table


def table_of(space: str, data_dir: str | Path) -> Table | None:
    """The table of a space below ``<data_dir>/tables``, or None where there is none."""
    for name, source in TABLES.items():
        if source.space == space and (Path(data_dir) / "tables" / source.file).is_file():
            return load_table(name, data_dir)
    return None


def _space_of(path: Path) -> str:
    if path.suffix.lower() == ".parquet":
        metadata = _parquet(path).schema_arrow.metadata or {}
        if b"space" in metadata:
            return str(metadata[b"space"].decode(errors="replace"))
    for source in TABLES.values():
        if source.file == path.name:
            return source.space
    raise DataError(f"{path.name} does not say which space its architectures are of; name it with --space.")


def _parquet(path: Path) -> Any:
    from pyarrow import parquet

    check_plain(path, DataError)
    with readable(path):
        return parquet.ParquetFile(path)


@contextmanager
def readable(path: Path, what: str = "the table") -> Iterator[None]:
    """Whatever a library says of a damaged file becomes one sentence."""
    import pyarrow as pa

    try:
        yield
    except NascenceError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError, MemoryError) as error:
        reason = (str(error).splitlines() or ["it is damaged"])[0]
        raise DataError(f"Cannot read {what} {path}: {reason}") from None


__all__ = ["TABLES", "Table", "TableSource", "load_table", "readable", "table_of"]
