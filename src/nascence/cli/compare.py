"""``nascence compare``: methods over seeds, beside what nobody searched for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascence.cli import options
from nascence.cli.output import emit, human, table
from nascence.runs.listing import USUAL as RUNS

USUAL, USUAL_OWN = "random,te-nas,nasi", "random,evolution,dmasking"


def command(
    methods: Annotated[
        str | None,
        typer.Option(help=f"Names, separated by commas [default: {USUAL}; with --model {USUAL_OWN}]."),
    ] = None,
    model: options.Model = None,
    weights: options.Weights = None,
    space: options.Space = "nas-bench-201",
    data: options.DataOrDigits = None,
    data_dir: options.DataDir = None,
    seeds: Annotated[int, typer.Option(help="How many seeds: 0, 1, ...", metavar="N")] = 4,
    out: Annotated[Path, typer.Option(help="The folder of the comparison and its runs.")] = RUNS / "compare",
    max_params: options.MaxParams = None,
    max_flops: options.MaxFLOPs = None,
    max_latency_ms: options.MaxLatencyMs = None,
    runtime: options.Runtime = None,
    epochs: Annotated[int, typer.Option(help="Train every result for this many epochs; 0: do not train.")] = 0,
    columns: Annotated[
        str | None, typer.Option(help="Of the space's table, separated by commas [default: test accuracies].")
    ] = None,
    preset: options.Preset = None,
    workers: options.Workers = None,
    channels: options.Channels = None,
    depth: options.Depth = None,
    image_size: options.ImageSize = None,
    task: options.Task = None,
    task_settings: options.TaskSettings = None,
    sigma: options.Sigma = None,
    scale: options.Scale = None,
    threads: options.Threads = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    download: options.Download = False,
    json: options.Json = False,
) -> None:
    """Compare methods over seeds, beside what nobody searched for.

    That is random architectures and the largest one, both within the budget, and, with --epochs, a plain ResNet; of
    your own network (--model) also the same width everywhere.
    Stopped at any moment, the same command continues.
    """
    from nascence.api.comparing import compare

    assumed, data = data is None, options.ASSUMED if data is None else data
    result = compare(
        _names(methods or (USUAL if model is None else USUAL_OWN)),
        space,
        data,
        model=model,
        weights=weights,
        seeds=seeds,
        out=out,
        data_dir=data_dir,
        image_size=image_size,
        task=task,
        task_settings=options.task_settings(task_settings, sigma, scale),
        max_params=max_params,
        max_flops=max_flops,
        max_latency_ms=max_latency_ms,
        runtime=runtime,
        channels=channels,
        depth=depth,
        epochs=epochs,
        columns=_names(columns or ""),
        preset=preset,
        workers=1 if workers is None else workers,
        threads=threads,
        device=device,
        precision=precision,
        download=download,
    )
    console = human(json)
    measures = list(dict.fromkeys(measure for row in result["rows"] for measure in row["summaries"]))
    rows = []
    for row in result["rows"]:
        cells = [_spread(row["summaries"].get(measure)) for measure in measures]
        rows.append([row["name"], len(row["architectures"]), *cells])
    table(console, ("", "runs", *measures), rows)
    console.print(f"Mean ± standard deviation over runs; kept in {out}/comparison.md", markup=False)
    if assumed:
        options.tell_assumed(json)
    if json:
        emit({"out": str(out), **result})


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _spread(summary: dict[str, float | None] | None) -> str | None:
    if summary is None or summary["mean"] is None:
        return None
    deviation = f" ± {summary['std']:.3g}" if summary.get("std") is not None else ""
    return f"{summary['mean']:,.5g}{deviation}"
