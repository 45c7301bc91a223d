"""``nascence correlate``: scores held against a table of accuracies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table


def command(
    scores: Annotated[Path, typer.Argument(help="A file that 'nascence score --out' wrote.", metavar="SCORES")],
    benchmark: Annotated[
        str,
        typer.Option(
            "--table",
            help="nas-bench-201, nas-bench-macro, channel-bench-macro-mobilenet, or a parquet or CSV file with a column"
            " 'architecture'.",
        ),
    ],
    column: Annotated[str, typer.Option(help="The table's column of accuracies.")],
    data_dir: options.DataDir = None,
    out: Annotated[Path | None, typer.Option(help="Also write an HTML page with scatter plots.")] = None,
    overwrite: options.OverwriteFile = False,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap intervals.", metavar="N")] = 200,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Say how well scores rank architectures: correlations, the quality of the top, what is left given size.

    Parameters, FLOPs and the number of trainable layers always stand beside.
    """
    from nascence.api.correlating import correlate
    from nascence.reporting.correlation_page import HEAD, SINGLE_DRAWS, cells, explanation, single_draws

    judgement = correlate(
        scores,
        benchmark,
        column,
        data_dir=data_dir,
        out=out,
        overwrite=overwrite,
        seed=seed,
        resamples=resamples,
    )
    console = human(json)
    console.print(
        f"{judgement.count:,} architectures of {judgement.space}, {judgement.column} of {judgement.table}"
        + (f"; {judgement.left_out:,} have no number there" if judgement.left_out else ""),
        markup=False,
    )
    shown = [at for at, name in enumerate(HEAD) if name]  # without the intervals, which make the lines too long
    rows = [[cells(row)[at] for at in shown] for row in judgement.rows]
    table(console, [HEAD[at] for at in shown], rows)
    console.print(explanation(), markup=False)
    title, drawn = single_draws(judgement)
    if drawn:
        console.print(f"{title}:", markup=False)
        table(console, ["score", *SINGLE_DRAWS], drawn)
    if out is not None:
        console.print(f"A page with scatter plots is in {out}", markup=False)
    if json:
        emit({"scores": str(scores), "out": None if out is None else str(out), **judgement.to_json()})
