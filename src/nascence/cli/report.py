"""``nascence report``: one self-contained page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human


def command(
    run: options.Run,
    out: Annotated[Path | None, typer.Option(help="The file [default: report.html in DIR].")] = None,
    overwrite: options.OverwriteFile = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Write one self-contained page about a run."""
    from nascence.runs import RunDirectory

    opened = RunDirectory.open(run)
    opened.require_architecture()
    from nascence.reporting import write_report
    from nascence.writing import check_out

    if out is not None:
        check_out(out, overwrite)

    path = write_report(run, out or run / "report.html")
    human(json).print(f"The report is in {path}", markup=False)
    if json:
        emit({"run": str(run), "path": str(path)})
