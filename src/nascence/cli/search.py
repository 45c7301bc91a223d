"""``nascence search``: find an architecture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import commands, count, emit, facts, human
from nascence.cli.output import table as show_table
from nascence.runs import RunDirectory
from nascence.runs.progress import duration

_LONGEST = 120  # characters of an architecture in a table; those of cells fit, those of whole networks do not


def command(
    method: options.MaybeMethod = None,
    model: options.Model = None,
    weights: options.Weights = None,
    space: options.SearchSpace = None,
    data: options.DataOrDigits = None,
    data_dir: options.DataDir = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run directory to make [default: runs/METHOD-SPACE-DATA-sSEED].")
    ] = None,
    max_params: options.MaxParams = None,
    max_flops: options.MaxFLOPs = None,
    max_latency_ms: options.MaxLatencyMs = None,
    objectives: options.Objectives = None,
    latency_table: options.LatencyTable = None,
    runtime: options.Runtime = None,
    preset: options.Preset = None,
    settings: options.Settings = None,
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
    processes: options.Processes = 1,
    overwrite: options.Overwrite = False,
    download: options.Download = False,
    json: options.Json = False,
) -> None:
    """Find an architecture for the data, within a budget. Stopped at any moment, 'nascence runs resume' goes on."""
    from nascence.api.searching import search

    assumed, data = data is None, options.ASSUMED if data is None else data
    result = search(
        method,
        space,
        data,
        model=model,
        weights=weights,
        seed=seed,
        out=out,
        data_dir=data_dir,
        image_size=image_size,
        task=task,
        task_settings=options.task_settings(task_settings, sigma, scale),
        max_params=max_params,
        max_flops=max_flops,
        max_latency_ms=max_latency_ms,
        objectives=objectives,
        latency_table=latency_table,
        runtime=runtime,
        channels=channels,
        depth=depth,
        threads=threads,
        device=device,
        precision=precision,
        processes=processes,
        overwrite=overwrite,
        download=download,
        preset=preset,
        settings=settings or [],
    )
    show(human(json), result.run.path, dict(result.record))
    if assumed:
        options.tell_assumed(json)
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
            ("parameters", count(record["params"]) + _of_whole(record, "params")),
            ("FLOPs", count(record["flops"]) + _of_whole(record, "flops")),
            ("latency", _latency(record)),
            ("predicted latency", _prediction(record.get("predicted_latency"))),
            ("search", duration(record["search_seconds"])),
            ("computed on", record.get("device")),
            ("warning", record.get("collapse")),
            *_evaluation(table),
            ("kept in", path),
        ],
    )
    place = shlex.quote(str(path))
    if record.get("own"):
        show_own(console, record)
    if record.get("front"):
        show_front(console, path)
    if record.get("ensemble"):
        members = RunDirectory.open(path).read_json("found.json")["members"]
        console.print(f"The ensemble, {len(members)} networks, which 'nascence train' trains all:", markup=False)
        rows = [[row["index"], count(row["params"]), count(row["flops"]), _cut(row["architecture"])] for row in members]
        show_table(console, ("index", "params", "flops", "architecture"), rows)
    picks = [(f"nascence train {place} --pick INDEX", "train another one of the front")] if record.get("front") else []
    commands(
        console,
        (f"nascence train {place}", "train it"),
        *picks,
        (f"nascence report {place}", "see how the search went"),
    )


def _of_whole(record: dict[str, Any], name: str) -> str:
    """Beside what the whole network costs, where the network was thinned from one."""
    whole = (record.get("own") or {}).get(name)
    return f" of {count(whole)} ({100 * record[name] / whole:.0f} %)" if whole else ""


def show_own(console: Any, record: dict[str, Any]) -> None:
    """What could be made thinner of the user's network, what was left whole, and why."""
    choices = record["choices"]
    console.print(f"What is left of {record['own']['model']}:", markup=False)
    rows = [
        [part["part"], part["choice"] or "left whole", choices.get(part["part"], ""), part["whole"] or _others(part)]
        for part in record["own"]["parts"]
    ]
    show_table(console, ("part", "choice", "answer", ""), rows)


def _others(part: dict[str, Any]) -> str:
    others = [name for name in part["layers"] if name != part["part"]]
    return f"together with {', '.join(others)}" if others else ""


def _latency(record: dict[str, Any]) -> str | None:
    if "latency_ms" not in record:
        return None
    from nascence.costs.runtimes import runtime_title

    about = record.get("latency") or {}
    spread = f", inter-quartile range {about['iqr_ms']:.2g} ms" if "iqr_ms" in about else ""
    noise = f"; disturbed by other work ({about['disturbed']})" if about.get("disturbed") else ""
    return f"{record['latency_ms']:.3g} ms in {runtime_title(about)} on this machine{spread}{noise}"


def _prediction(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    percent = found.get("error", {}).get("relative_percent")
    off = "" if percent is None else f" ({percent:.1f} % off, on average of {found['held_out']} that were held out)"
    return f"{found['ms']:.3g} ms, from {found['from']}{off}"


def show_front(console: Any, path: Path) -> None:
    """The front of a run as a table; its knee is marked."""
    front = RunDirectory.open(path).read_json("front.json")
    objectives = front["objectives"]
    heads = [f"{one['name']} ({one['unit']})" if len(one["unit"]) in (1, 2, 3) else one["name"] for one in objectives]
    sizes = [name for name in ("params", "flops") if name not in front["front"][0]["values"]]
    rows = [
        [
            row["index"],
            *(_shown(row["values"][one["name"]]) for one in objectives),
            *(count(row[name]) for name in sizes),
            "knee" if row["index"] == front["knee"] else "",
            _cut(row["architecture"]),
        ]
        for row in front["front"]
    ]
    console.print(f"The front, {len(rows)} networks:", markup=False)
    show_table(console, ("index", *heads, *sizes, "", "architecture"), rows)
    from nascence.strategies.pareto import told_apart

    told = told_apart(front)
    if told is not None:
        console.print(f"  {told}", markup=False)
    for one in objectives:
        console.print(f"  {one['name']}: {one['description']}", markup=False)
    if any(len(row["architecture"]) > _LONGEST for row in front["front"]):
        console.print(f"  architecture: whole in {path / 'front.json'}", markup=False)


def _cut(architecture: str) -> str:
    return architecture if len(architecture) <= _LONGEST else architecture[: _LONGEST - 1] + "…"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 and value == int(value) else f"{value:.4g}"


def _evaluation(table: dict[str, Any] | None) -> list[tuple[str, object]]:
    """What a benchmark's table says of the result; the search never saw it."""
    if not table:
        return []
    return [(f"{name} (table)", f"{value:.4g}, from {table['source']}") for name, value in table["values"].items()]
