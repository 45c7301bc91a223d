"""Files of scores: one row an architecture, one column a score, and in the metadata all that the numbers depend on."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nascence.benchmarks.tables import readable
from nascence.errors import DataError
from nascence.reading import check, check_plain, parse_json
from nascence.runs import files
from nascence.schema import Count, FileEntry, Name

MOST_ROWS = 10_000_000
FORMAT = 1
"""Of the file; one of another format is refused."""
_METADATA = b"nascence.scores"
_CHECKSUM = b"nascence.checksum"
KEY = "architecture"
STD = "_std"
"""The ending of the column with a score's standard deviation over draws."""
DRAW = "_draw"
"""The ending, before its number from 0, of the column with a score's values at one of several draws."""


class _Score(FileEntry):
    larger_is_better: bool


class _Settings(FileEntry):
    space: Name
    scores: Annotated[dict[Name, _Score], Field(min_length=1)]
    data: dict[str, Any]
    seed: int
    draws: Annotated[Count, Field(ge=1, le=1_000_000)]
    architectures: dict[str, Any]


@final
@dataclass(frozen=True, eq=False)
class ScoreTable:
    """``columns``: by name the values [N] of the N ``architectures`` (their canonical texts).

    ``settings``: ``format``, ``space``, ``scores`` (name to settings and direction), ``data``, ``seed``, ``draws``,
    ``architectures`` (which were asked for) and ``versions``.
    """

    settings: Mapping[str, Any]
    architectures: list[str]
    columns: dict[str, NDArray[np.float64]]

    @property
    def space(self) -> str:
        return str(self.settings["space"])

    @property
    def scores(self) -> list[str]:
        """The scores' names, without the columns of deviations and of single draws."""
        return list(self.settings["scores"])

    def draws(self, score: str) -> NDArray[np.float64]:
        """The values [D, N] at every draw; of a score without randomness, or of one draw, the only row."""
        names = [f"{score}{DRAW}{draw}" for draw in range(self.settings["draws"])]
        return np.stack([self.columns[name] for name in (names if names[0] in self.columns else [score])])

    def larger_is_better(self, score: str) -> bool:
        return bool(self.settings["scores"][score]["larger_is_better"])

    def write(self, path: Path) -> None:
        """Write the parquet file; at every moment ``path`` is whole or absent. Raises :class:`RunError`."""
        import pyarrow as pa
        from pyarrow import parquet

        columns = {KEY: pa.array(self.architectures, pa.string())}
        columns |= {name: pa.array(values, pa.float64()) for name, values in self.columns.items()}
        told = json.dumps(self.settings).encode()
        metadata = {_METADATA: told, b"space": self.space, _CHECKSUM: self._checksum(told)}
        with files.explained(path), files.replacing(path) as (file, _):
            parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), file)

    def _checksum(self, told: bytes) -> bytes:
        """Of the settings as they are ``told``, the names and all values."""
        found = zlib.crc32("\n".join(self.architectures).encode(), zlib.crc32(told))
        for name, values in self.columns.items():
            found = zlib.crc32(np.asarray(values, dtype=np.float64).tobytes(), zlib.crc32(name.encode(), found))
        return f"{found:08x}".encode()


def read_scores(path: str | Path, space: str | None = None) -> ScoreTable:
    """The file that ``nascence score --out`` wrote. Raises :class:`DataError` when it is missing, damaged, none of
    ours, of another format or, where ``space`` is given, of another space."""
    import pyarrow as pa
    from pyarrow import parquet

    path = Path(path)
    if not path.is_file():
        unfinished = path.with_name(path.name + ".part")
        hint = " (it is unfinished: continue with --resume)" if unfinished.is_file() else ""
        raise DataError(f"There is no scores file at {path}{hint}; 'nascence score --out {path}' makes one.")
    check_plain(path, DataError)
    with readable(path, "the scores file"), parquet.ParquetFile(path) as opened:
        rows = opened.metadata.num_rows
        if rows > MOST_ROWS:
            raise DataError(f"{path} has {rows:,} rows, more than the {MOST_ROWS:,} it may have.")
        metadata = opened.schema_arrow.metadata or {}
        text = metadata.get(_METADATA, b"null")
        settings = parse_json(text)
        names = opened.schema_arrow.names
        if not isinstance(settings, dict) or KEY not in names or len(set(names)) < len(names):
            raise DataError(f"{path} was not written by 'nascence score'; expected a scores file.")
        table = opened.read()
    check_format(path, settings)
    check(settings, _Settings, path, DataError)
    if space is not None and settings["space"] != space:
        raise DataError(f"{path} holds scores of the space {settings['space']}, not of {space}.")
    names = [name for name in table.column_names if name != KEY]
    wrong = [name for name in names if not pa.types.is_floating(table.schema.field(name).type)]
    missing = [name for name in settings["scores"] if name not in names]
    if wrong or missing:
        raise DataError(f"{path} is damaged: its column '{[*wrong, *missing][0]}' is no column of numbers.")
    texts = table.column(KEY)
    if not pa.types.is_string(texts.type) or texts.null_count:
        raise DataError(f"{path} is damaged: its column '{KEY}' is no column of texts.")
    with readable(path, "the scores file"):
        columns = {name: np.array(table.column(name).to_numpy(), dtype=np.float64) for name in names}
        found = ScoreTable(settings, texts.to_pylist(), columns)
    if _CHECKSUM in metadata and metadata[_CHECKSUM] != found._checksum(text):
        raise DataError(f"{path} is damaged: its content does not fit its checksum.")
    return found


def check_format(path: Path, settings: Mapping[str, Any]) -> None:
    """Raises :class:`DataError` when a file of scores, or its journal, is of another version's format."""
    if settings.get("format") != FORMAT:
        raise DataError(
            f"{path} is a scores file of format {settings.get('format')}, which this version of Nascence does not "
            f"know (it knows format {FORMAT}); score again into another file."
        )


def differences(kept: Mapping[str, Any], asked: Mapping[str, Any], place: str = "") -> list[str]:
    """What differs between the settings of a file and those asked for, such as ``seed 0, not 1``.

    Of data or architectures with another name, the name alone.
    """
    found = []
    for name in dict.fromkeys([*kept, *asked]):
        here = f"{place}{name}"
        old, new = kept.get(name), asked.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{here}.")
        elif name not in asked:
            found.append(f"{here} not asked for")
        elif name not in kept:
            found.append(f"{here} not there")
        elif old != new:
            found.append(f"{here} {old}, not {new}")
            if here in _NAMING:
                break
    return found


_NAMING = ("data.name", "architectures.selection")

__all__ = ["DRAW", "FORMAT", "KEY", "STD", "ScoreTable", "check_format", "differences", "read_scores"]
