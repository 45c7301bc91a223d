"""``nascence export``: a network as a file that runs without Nascence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human


def command(
    run: options.Run,
    format: Annotated[str, typer.Option("--format", help="onnx or python.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="The file [default: model.onnx or model.py in DIR].")] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Export the found architecture freshly initialised, not trained.")
    ] = False,
    overwrite: options.OverwriteFile = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Write a trained network to a file, and check the file."""
    from nascence.api import export

    check = export(run, format, out, untrained=untrained, overwrite=overwrite)
    human(json).print(str(check), markup=False)
    if json:
        emit({"run": str(run), **check.to_dict(), "path": str(check.path)})
