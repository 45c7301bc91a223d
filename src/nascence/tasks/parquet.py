"""Tables of encoded images and labels in parquet files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nascence.errors import DataError
from nascence.tasks.assembling import LabelledImages, RawData
from nascence.tasks.cache import cached_array
from nascence.tasks.decoding import decode_images
from nascence.tasks.sources import Request, part_named, three_parts

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMN = "label"
CACHED_FROM = 5000


def read_parquet(
    path: Path, request: Request, *, name: str | None = None, class_names: Sequence[str] | None = None
) -> RawData:
    """A parquet file, or a folder of them, where ``test``, ``val`` or ``valid`` in a file's path says what it is for.

    Columns: ``img`` or ``image`` (encoded bytes, or a struct with ``bytes``) and ``label`` (numbers or texts).
    ``class_names`` names the labels 0, 1, ...; otherwise the file's own metadata may. Raises :class:`DataError`.
    """
    train: list[Path] = [path]
    valid: list[Path] = []
    test: list[Path] = []
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        named = ((part_named(str(file.relative_to(path))) or "train", file) for file in files)
        train, valid, test = three_parts(named)
    if not train:
        raise DataError(f"There is no parquet file with training images in {path}; expected train.parquet.")
    labels = {file: _read_column(file) for file in (*train, *valid, *test)}
    classes = class_names or next((names for file in train if (names := _class_names(labels[file].schema))), None)
    return RawData(
        name or path.resolve().stem,
        _labelled({file: labels[file] for file in train}, request),
        _labelled({file: labels[file] for file in test}, request) if test else None,
        dict(enumerate(classes)) if classes else None,
        validation=_labelled({file: labels[file] for file in valid}, request) if valid else None,
    )


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
            return opened.read([image if images else LABEL_COLUMN])
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        because = getattr(error, "strerror", None)
        reason = f"cannot be read ({because})" if because else "is no valid parquet file"
        raise DataError(f"{file} {reason}.") from None


def _labelled(tables: dict[Path, Any], request: Request) -> LabelledImages:
    """``tables``: the labels by file. The images are read where no decoded copy of them is kept."""

    def decoded() -> np.ndarray:
        sources: list[tuple[str, bytes | Path]] = []
        for file in tables:
            images = _encoded(file, _read_column(file, images=True).column(0))
            sources += [(f"{file}, row {row},", image) for row, image in enumerate(images)]
        return decode_images(sources, request.image_size)

    labels = [label for file, table in tables.items() for label in _labels(file, table.column(0))]
    if not labels:
        raise DataError(f"{next(iter(tables))} has no rows.")
    if len(labels) < CACHED_FROM:
        return LabelledImages(decoded(), labels)
    return LabelledImages(cached_array(list(tables), f"parquet {request.image_size}", decoded), labels)


def _encoded(file: Path, column: Any) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        if "bytes" not in [field.name for field in column.type]:
            raise DataError(f"The images in {file} hold no encoded bytes, only: {column.type}.")
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DataError(f"The images in {file} are of type {column.type}; expected the bytes of encoded images.")
    if column.null_count:
        raise DataError(f"{file} has {column.null_count} rows without an image; remove them.")
    return column.to_pylist()


def _labels(file: Path, column: Any) -> list[int | str]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if column.null_count:
        raise DataError(f"{file} has {column.null_count} rows without a label; label or remove them.")
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"The labels in {file} are of type {column.type}; expected whole numbers or text.")
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        raise DataError(f"{file} has labels that are not valid text.") from None


def _class_names(schema: Any) -> list[str] | None:
    """Names that the library Datasets leaves in a parquet file's metadata."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[LABEL_COLUMN]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None
