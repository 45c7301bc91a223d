"""Predict: what a trained network says of new data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nascence.api.computing import chosen
from nascence.api.training import load_model
from nascence.errors import SettingError
from nascence.runs import RunDirectory
from nascence.tasks.loaders import loader_of
from nascence.tasks.predicting import Columns, Question
from nascence.writing import check_out, explained, replacing, write_bytes

TABLES = (".csv", ".json", ".parquet")


@final
@dataclass(frozen=True)
class Prediction:
    """``columns``: by name, a value for everything that was asked about; ``out``: where they were written, if they
    were."""

    columns: Columns
    out: Path | None = None

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for everything that was asked about."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


def predict(
    run: str | Path | RunDirectory,
    paths: Sequence[str | Path] = (),
    *,
    out: str | Path | None = None,
    batch_size: int = 256,
    skip_damaged: bool = False,
    device: str = "cpu",
    overwrite: bool = False,
) -> Prediction:
    """What the network trained in ``run`` says of ``paths``: files, or folders of them.

    Classes of images with probabilities; for other tasks see their :meth:`nascence.tasks.loaders.Loader.predict`.
    ``out``: a table (``.csv``, ``.json``, ``.parquet``), or, for a task that answers in files, the folder for them;
    there, ``skip_damaged`` leaves out files that cannot be read. ``device``: where the network computes.
    Raises :class:`nascence.errors.NascenceError`, before anything is written.
    """
    compute = chosen(device)
    if batch_size < 1:
        raise SettingError(f"A batch has at least 1 example, not {batch_size}.")
    run = run if isinstance(run, RunDirectory) else RunDirectory.open(run)
    run.require("task")
    loader, settings = loader_of(run.config)
    place = None if out is None else Path(out)
    if skip_damaged and not loader.answers_in_files:
        raise SettingError("--skip-damaged is about pictures that are restored; leave it out.")
    if loader.answers_in_files:
        if compute.device.type == "mps":
            raise SettingError("Pictures are restored in float64, which mps does not have; leave --device out.")
        if place is None:
            raise SettingError("Name the folder for what is predicted with --out DIR.")
        if place.exists() and not place.is_dir():
            raise SettingError(f"{place} is a file; name a folder with --out.")
        if overwrite:
            raise SettingError("Predicted pictures replace no files; leave --overwrite out, and name another --out.")
    elif place is not None:
        if place.suffix.lower() not in TABLES:
            raise SettingError(f"{place} ends in none of {', '.join(TABLES)}, which predictions can be written as.")
        check_out(place, overwrite)
    question = Question(
        model=compute.place(load_model(run)),
        config=run.config,
        settings=settings,
        paths=tuple(Path(os.path.expanduser(path)) for path in paths),
        out=place,
        batch_size=batch_size,
        skip_damaged=skip_damaged,
    )
    found = Prediction(loader.predict(question), place)
    if place is not None and not loader.answers_in_files:
        _write(found, place)
    return found


def _write(found: Prediction, path: Path) -> None:
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".json":
            write_bytes(path, (json.dumps(found.rows(), indent=1) + "\n").encode())
            return
        import pyarrow as pa
        from pyarrow import csv, parquet

        table = pa.table({_text(name): list(map(_text, column)) for name, column in found.columns.items()})
        with replacing(path) as (file, _):
            (csv.write_csv if path.suffix.lower() == ".csv" else parquet.write_table)(table, file)


def _text(value: Any) -> Any:
    """What is no UTF-8 in the name of a file or a class is spelt out, since a table cannot hold it."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


__all__ = ["TABLES", "Prediction", "predict"]
