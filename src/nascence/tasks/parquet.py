"""Tables of encoded images and labels in parquet files."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, final, overload

from nascence.errors import DataError
from nascence.tasks.decoding import Source, decode_images
from nascence.tasks.labelled import LabelledImages, RawData
from nascence.tasks.listing import Passed, files_below
from nascence.tasks.sources import Request, part_named, three_parts

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMN = "label"
_OPEN = 2
"""Files whose images are in memory at once."""


def read_parquet(
    path: Path, request: Request, *, name: str | None = None, class_names: Sequence[str] | None = None
) -> RawData:
    """A parquet file, or a folder of them, where ``test``, ``val`` or ``valid`` in a file's path says what it is for.

    Columns: ``img`` or ``image`` (encoded bytes, or a struct with ``bytes``) and ``label`` (whole numbers, also as
    floats or booleans, or texts). ``class_names`` names the labels 0, 1, ...; otherwise the files' own metadata may,
    and then labels of several files are matched by name. Raises :class:`DataError`.
    """
    train: list[Path] = [path]
    valid: list[Path] = []
    test: list[Path] = []
    if path.is_dir():
        files = parquet_files(path, request.passed)
        parts = ((part_named(str(file.relative_to(path))) or "train", file) for file in files)
        train, valid, test = three_parts(parts)
    if not train:
        raise DataError(f"There is no parquet file with training images in {path}; expected train.parquet.")
    tables = {file: _read_column(file) for file in (*train, *valid, *test)}
    labels = {file: _labels(file, table.column(0)) for file, table in tables.items()}
    own = {file: names for file, table in tables.items() if (names := _class_names(file, table.schema))}
    named = _matched(labels, own, class_names, request)
    return RawData(
        name or Path(os.path.realpath(path)).stem,
        _labelled({file: labels[file] for file in train}, request, "training"),
        _labelled({file: labels[file] for file in test}, request, "test") if test else None,
        dict(enumerate(named)) if named else None,
        validation=_labelled({file: labels[file] for file in valid}, request, "validation") if valid else None,
    )


def parquet_files(path: Path, passed: Passed | None = None) -> list[Path]:
    """Those of a folder and of all below it."""
    return sorted(file for file in files_below(path, passed) if file.suffix == ".parquet")


def is_image_table(file: Path) -> bool:
    """Whether ``file`` can be read and has the columns."""
    try:
        _read_column(file)
    except DataError:
        return False
    return True


def _read_column(file: Path, *, images: bool = False) -> Any:
    """A table of one column: the labels, or the encoded images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            columns = opened.schema_arrow.names
            image = next((column for column in IMAGE_COLUMNS if column in columns), None)
            if image is None or LABEL_COLUMN not in columns:
                raise DataError(
                    f"{file} needs the columns 'img' (or 'image') and 'label', but has: {', '.join(columns) or 'none'}."
                )
            wanted = image if images else LABEL_COLUMN
            if columns.count(wanted) > 1:
                raise DataError(f"{file} has the column '{wanted}' {columns.count(wanted)} times; keep one.")
            return opened.read([wanted])
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{file} is damaged, or needs more memory than there is.") from None
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        because = getattr(error, "strerror", None)
        reason = f"cannot be read ({because})" if because else "is no valid parquet file"
        raise DataError(f"{file} {reason}.") from None


def _labelled(labels: Mapping[Path, list[int | str]], request: Request, part: str) -> LabelledImages:
    """The images are read where no decoded copy of them is kept."""
    every = [label for found in labels.values() for label in found]
    if not every:
        raise DataError(f"{next(iter(labels))} has no rows.")
    sources = _Rows({file: len(found) for file, found in labels.items()})
    keep = f"{part} images in {[os.path.realpath(file) for file in labels]}"
    return LabelledImages(decode_images(sources, request.image_size, keep=keep, told=request.told), every)


@final
class _Rows(Sequence[Source]):
    """The encoded images of several files; each file is read when it is asked for, and few are kept in memory."""

    def __init__(self, rows: Mapping[Path, int]) -> None:
        self._files, self._ends = list(rows), list(accumulate(rows.values()))
        self._columns: dict[Path, Any] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, at: int) -> Source: ...
    @overload
    def __getitem__(self, at: slice) -> list[Source]: ...
    def __getitem__(self, at: int | slice) -> Source | list[Source]:
        if isinstance(at, slice):
            return [self[position] for position in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        which = bisect_right(self._ends, at)
        row = at - (self._ends[which - 1] if which else 0)
        file = self._files[which]
        return f"{file}, row {row},", self._column(file)[row].as_py()

    def _column(self, file: Path) -> Any:
        with self._lock:
            if file not in self._columns:
                if len(self._columns) >= _OPEN:
                    del self._columns[next(iter(self._columns))]
                self._columns[file] = _encoded(file, _read_column(file, images=True).column(0))
            return self._columns[file]


def _encoded(file: Path, column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        fields = [field.name for field in column.type]
        if "bytes" not in fields:
            raise DataError(f"The images in {file} hold no encoded bytes, only: {column.type}.")
        if fields.count("bytes") > 1:
            raise DataError(f"The images in {file} have the field 'bytes' {fields.count('bytes')} times; keep one.")
        column = pc.struct_field(column, "bytes")
    kind, column = column.type, _plain(column)
    if not (pa.types.is_large_binary(column.type) or pa.types.is_null(kind)):
        raise DataError(f"The images in {file} are of type {kind}; expected the bytes of encoded images.")
    if column.null_count:
        raise DataError(f"{file} has {column.null_count} rows without an image; remove them.")
    return column


def _plain(column: Any) -> Any:
    """Bytes and texts of any form as large ones: views, dictionaries, fixed sizes."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], kind.value_type)
        kind = kind.value_type
    if _is(kind, "binary", "binary_view", "fixed_size_binary"):
        return column.cast(pa.large_binary())
    if _is(kind, "string", "string_view"):
        return column.cast(pa.large_string())
    return column


def _is(kind: Any, *names: str) -> bool:
    """Whether an Arrow type is one of ``names``; older versions of Arrow do not have all of them."""
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{name}", lambda _: False)(kind) for name in names)


def _labels(file: Path, column: Any) -> list[int | str]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    whole = _is(kind, "integer", "boolean")
    if not (whole or _is(kind, "floating", "decimal", "null", "string", "large_string", "string_view")):
        raise DataError(f"The labels in {file} are of type {column.type}; expected whole numbers or text.")
    try:
        values = _plain(column).to_pylist()
    except (UnicodeDecodeError, pa.ArrowException):
        raise DataError(f"{file} has labels that are not valid text.") from None
    missing = sum(value is None or value != value for value in values)
    if missing:
        raise DataError(f"{file} has {missing} rows without a label; label or remove them.")
    if whole:
        return [int(value) for value in values]
    if _is(kind, "floating", "decimal"):
        odd = next((value for value in values if not math.isfinite(value) or int(value) != value), None)
        if odd is not None:
            raise DataError(f"The labels in {file} are of type {column.type}, such as {odd}; expected whole numbers.")
        return [int(value) for value in values]
    return values


def _matched(
    labels: dict[Path, list[int | str]],
    own: Mapping[Path, list[str]],
    class_names: Sequence[str] | None,
    request: Request,
) -> list[str] | None:
    """The names of the labels 0, 1, ...; numbers of files that name them in another order become those of the first.

    ``class_names``: those that are known; files that name others speak of something else and are not looked at.
    """
    known = list(class_names or next(iter(own.values()), []))
    if not known:
        _check_one_kind(labels)
        return None
    for file, found in labels.items():
        names = own.get(file)
        if names is not None and (class_names is None or set(names) == set(class_names)):
            known += [name for name in names if name not in known]
            odd = next((label for label in found if isinstance(label, int) and not 0 <= label < len(names)), None)
            if odd is not None:
                raise DataError(f"{file} has the label {odd}, but names only the labels 0 to {len(names) - 1}.")
            places = [known.index(name) for name in names]
            labels[file] = [label if isinstance(label, str) else places[label] for label in found]
        elif own and class_names is None and any(isinstance(label, int) for label in found):
            request.remarks.append(
                f"{file} does not name its classes; its numbers are taken as those of the other files."
            )
        position = {name: place for place, name in enumerate(known)}
        labels[file] = [position.get(label, label) if isinstance(label, str) else label for label in labels[file]]
    return known


def _check_one_kind(labels: Mapping[Path, Sequence[int | str]]) -> None:
    """Raises :class:`DataError` where some labels are numbers without names and others texts."""
    kinds: dict[type, tuple[Path, int | str]] = {}
    for file, found in labels.items():
        for label in found:
            kinds.setdefault(type(label), (file, label))
    if len(kinds) > 1:
        (one, first), (other, second) = list(kinds.values())[:2]
        raise DataError(
            f"{one} has labels such as {first!r}, and {other} such as {second!r}; numbers and texts cannot be matched."
        )


def _class_names(file: Path, schema: Any) -> list[str] | None:
    """Names that the library Datasets leaves in a parquet file's metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[LABEL_COLUMN]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(names, list) or not names:
        return None
    names = [str(name).encode("utf-8", "backslashreplace").decode() for name in names]  # JSON can hold half characters
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DataError(f"{file} names the class '{twice}' twice, so that labels cannot be told apart.")
    return names


__all__ = ["is_image_table", "parquet_files", "read_parquet"]
