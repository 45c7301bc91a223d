"""``nascence predict``: what a trained network says of new data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table

_SHOWN = 40


def command(
    run: options.Run,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders of them: images, graphs, pictures.", metavar="FILES")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a table (.csv, .json, .parquet), or, where pictures are predicted, into this folder."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", metavar="N")] = 256,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Of pictures to restore, leave out those that cannot be read.")
    ] = False,
    device: options.Device = "cpu",
    overwrite: options.OverwriteFile = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Classes of images with probabilities, classes of nodes, restored pictures: what the trained network says."""
    from nascence.api.predicting import predict

    how: dict[str, Any] = {"batch_size": batch_size, "skip_damaged": skip_damaged, "device": device}
    found = predict(run, paths or [], out=out, overwrite=overwrite, **how)
    console = human(json)
    rows = found.rows()
    names = [name for name in found.columns if not name.startswith("probability of ")]
    table(console, names, [[_shown(row[name]) for name in names] for row in rows[:_SHOWN]])
    if len(rows) > _SHOWN:
        console.print(f"and {len(rows) - _SHOWN:,} more", markup=False)
    if out is not None:
        console.print(f"All are in {out}", markup=False, highlight=False)
    if json:
        emit({"run": str(run), "predictions": rows, "out": None if out is None else str(out)})


def _shown(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
