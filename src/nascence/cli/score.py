"""``nascence score``: numbers for architectures, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table
from nascence.errors import SettingError

if TYPE_CHECKING:
    from nascence.benchmarks.scores_file import ScoreTable

SHOWN = 20
"""Rows of a table on the terminal."""


def command(
    architectures: Annotated[
        list[str] | None,
        typer.Argument(help="Architectures as text, run directories or architecture.json files.", metavar="ARCH..."),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Names, separated by commas; 'nascence scores' lists them [default: ntk-condition,linear-regions, "
            "as far as they apply]."
        ),
    ] = None,
    space: options.Space = "nas-bench-201",
    data: options.Data = None,
    data_dir: options.DataDir = None,
    image_size: options.ImageSize = None,
    random: Annotated[int, typer.Option(help="Also score this many random architectures.", metavar="N")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="Score the whole space.")] = False,
    sample: Annotated[
        int | None, typer.Option(help="Score this many distinct random architectures of the space.", metavar="N")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Score the architectures in this file, one a line.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a parquet file, one row an architecture, one column a score.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue --out where it was stopped.")] = False,
    workers: options.Workers = None,
    executor: Annotated[
        str | None, typer.Option(help="Where the workers are: processes of this machine, or ray [default: processes].")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster, HOST:PORT [default: one started here].")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Size of the networks that scores look at, by its name in the space [default: each score's own].",
            metavar="SIZE",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(help="Average over this many draws of weights and images.", metavar="N")] = 1,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    download: options.Download = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Score architectures without training them: a few for the terminal, or very many into a file.

    The values do not depend on the number or kind of workers. Stopped at any moment, the same command and --resume
    continues.
    """
    names = None if scores is None else [name.strip() for name in scores.split(",") if name.strip()]
    if everything or resume or any(value is not None for value in (sample, file, out, workers, executor, ray_address)):
        if random or threads is not None:
            raise SettingError(
                "--random and --threads are for a few architectures; with many, it is --sample N, and every worker has "
                "one thread."
            )
        if resume and out is None:
            raise SettingError("--resume continues a file; name it with --out.")
        from nascence.api.scoring import score_many
        from nascence.runs import show_progress

        found = score_many(
            names,
            space=space,
            everything=everything,
            sample=sample,
            file=file,
            architectures=architectures or [],
            data=data,
            data_dir=data_dir,
            image_size=image_size,
            draws=draws,
            seed=seed,
            out=out,
            resume=resume,
            workers=1 if workers is None else workers,
            executor=executor or "processes",
            ray_address=ray_address,
            device=device,
            precision=precision,
            download=download,
            network=network,
            progress=show_progress("Scoring", "evaluations"),
        )
        _show(found, out, json)
        return
    from nascence.api.scoring import score

    scored = score(
        architectures or [],
        names,
        space=space,
        data=data,
        data_dir=data_dir,
        image_size=image_size,
        random=random,
        draws=draws,
        seed=seed,
        threads=threads,
        device=device,
        precision=precision,
        download=download,
        network=network,
    )
    if json:
        emit({"data": scored[0]["data"], "seed": seed, "architectures": scored})
        return
    columns = list(scored[0]["scores"])
    rows = [[entry["architecture"], *(f"{entry['scores'][name]:,.6g}" for name in columns)] for entry in scored]
    table(human(json), ("architecture", *columns), rows)


def _show(found: ScoreTable, out: Path | None, json: bool) -> None:
    """What was scored: every row of a short table, else the first ones, and where all of them are."""
    console = human(json)
    count = len(found.architectures)
    if out is None or count <= SHOWN:
        rows: list[list[Any]] = [
            [text, *(f"{values[at]:,.6g}" for values in found.columns.values())]
            for at, text in enumerate(found.architectures[:SHOWN])
        ]
        table(console, ("architecture", *found.columns), rows)
    if out is None and count > SHOWN:
        console.print(f"These are the first {SHOWN} of {count:,}; --out FILE.parquet keeps all.", markup=False)
    if out is not None:
        console.print(f"Scores of {count:,} architectures are in {out}", markup=False)
    if json:
        kept: dict[str, Any] = {"out": str(out)} if out is not None else {}
        if out is None:
            kept["architectures"] = [
                {"architecture": text, "scores": {name: values[at] for name, values in found.columns.items()}}
                for at, text in enumerate(found.architectures)
            ]
        emit({**kept, "rows": count, "columns": list(found.columns), "settings": dict(found.settings)})
