"""``nascence plan``: what can be reached, before any search."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import emit, facts, human, table
from nascence.runs.progress import duration


def command(
    method: options.MaybeMethod = None,
    model: options.Model = None,
    weights: options.Weights = None,
    space: options.SearchSpace = None,
    data: options.DataOrDigits = None,
    data_dir: options.DataDir = None,
    seed: options.Seed = 0,
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
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time the parts of networks and the steps of the search.")
    ] = True,
    download: options.Download = False,
    json: options.Json = False,
) -> None:
    """What a space offers, whether a budget can be met, and how long a search would take. Takes what search takes."""
    from nascence.api.planning import plan

    assumed, data = data is None, options.ASSUMED if data is None else data
    found = plan(
        space,
        data,
        method=method,
        model=model,
        weights=weights,
        seed=seed,
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
        preset=preset,
        channels=channels,
        depth=depth,
        threads=threads,
        device=device,
        precision=precision,
        measure=measure,
        download=download,
        settings=settings or [],
    )
    console = human(json)
    rows = [
        [f"{cost['name']} ({cost['unit']}, batch {cost['batch']}, {cost['device']})"]
        + [_number(cost[end]) for end in ("smallest", "median", "largest")]
        + [cost["how"]]
        for cost in found["costs"]
    ]
    size = f"{found['size']:,}" if found["size"] < 1e9 else f"{found['size']:.3g}"
    console.print(f"{found['space']}: {size} architectures, for {data}", markup=False)
    table(console, ("cost", "smallest", "median", "largest", "how it is known"), rows)
    told = _budget(found["budget"], fails=bool((found["search"] or {}).get("fails")))
    facts(console, "Search", [("budget", told), ("time", _time(found["search"])), ("note", _noise(found["latency"]))])
    if assumed:
        options.tell_assumed(json)
    if json:
        emit(found)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _budget(budget: dict[str, Any] | None, fails: bool = False) -> str:
    """``fails``: the search could not begin, so that nothing is promised."""
    if budget is None:
        return "none"
    if budget["possible"] is None:
        return f"not known: {budget['why']}"
    if not budget["possible"]:
        return f"cannot be met: {budget['why']}"
    share = f"{'less than ' if budget['share_below'] else ''}{100 * budget['share']:.3g} %"
    ends = " to ".join(f"{100 * end:.3g}" for end in budget.get("unsure") or ())
    unsure = f"; {ends} %, as other work disturbed latencies" if ends else ""
    within = f"{share} of the space (of {budget['of']}{unsure})"
    return f"{within} is within it, but this search cannot begin" if fails else f"can be met, by {within}"


def _noise(latency: dict[str, Any] | None) -> str | None:
    if not latency or not latency["disturbed"]:
        return None
    told = latency["disturbed"][-1]
    return f"other work on this machine disturbed measurements, also when they were repeated ({told})"


def _time(search: dict[str, Any] | None) -> str | None:
    if search is None:
        return None
    if search["seconds"] is None:
        fault = "cannot begin" if search.get("fails") else "was not timed"
        return f"{search['method']} {fault}: {search['why']}"
    timed = f"{search['steps']} steps, {search['timed']} of them timed"
    if search["timed"] == 0:
        timed = f"{search['steps']} steps; as the method expects"
    return f"{search['method']} takes about {duration(search['seconds'])} on this machine ({timed})"
