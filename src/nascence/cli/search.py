"""``nascence search``: find an architecture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import commands, count, emit, facts, human
from nascence.runs.progress import duration


def command(
    method: Annotated[str, typer.Option(help="How to search; 'nascence methods' lists them.")] = "te-nas",
    space: options.Space = "nas-bench-201",
    data: options.Data = "digits",
    data_dir: options.DataDir = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run directory to make [default: runs/METHOD-SPACE-DATA-sSEED].")
    ] = None,
    max_params: options.MaxParams = None,
    max_flops: options.MaxFLOPs = None,
    max_latency_ms: options.MaxLatencyMs = None,
    preset: options.Preset = None,
    settings: options.Settings = None,
    channels: options.Channels = None,
    depth: options.Depth = None,
    image_size: options.ImageSize = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    download: options.Download = False,
    json: options.Json = False,
) -> None:
    """Find an architecture for the data, within a budget. Stopped at any moment, 'nascence runs resume' goes on."""
    from nascence.api.searching import search

    assert data is not None
    result = search(
        method,
        space,
        data,
        seed=seed,
        out=out,
        data_dir=data_dir,
        image_size=image_size,
        max_params=max_params,
        max_flops=max_flops,
        max_latency_ms=max_latency_ms,
        channels=channels,
        depth=depth,
        threads=threads,
        overwrite=overwrite,
        download=download,
        preset=preset,
        settings=settings or [],
    )
    show(human(json), result.run.path, dict(result.record))
    if json:
        emit({"run": str(result.run.path), **result.record})


def show(console: Any, path: Path, record: dict[str, Any]) -> None:
    """A finished search in a few lines, and what to type next."""
    table = record.get("table")
    facts(
        console,
        "Found",
        [
            ("architecture", record["architecture"]),
            ("parameters", count(record["params"])),
            ("FLOPs", count(record["flops"])),
            ("latency", f"{record['latency_ms']:.3g} ms, measured on this machine" if "latency_ms" in record else None),
            ("search", duration(record["search_seconds"])),
            ("warning", record.get("collapse")),
            *_evaluation(table),
            ("kept in", path),
        ],
    )
    place = shlex.quote(str(path))
    commands(
        console,
        (f"nascence train {place}", "train it"),
        (f"nascence report {place}", "see how the search went"),
    )


def _evaluation(table: dict[str, Any] | None) -> list[tuple[str, object]]:
    """What a benchmark's table says of the result; the search never saw it."""
    if not table:
        return []
    return [(f"{name} (table)", f"{value:.4g}, from {table['source']}") for name, value in table["values"].items()]
