"""``nascence measure``: every cost of a network, or latencies to look up or to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.output import emit, facts, human, table
from nascence.errors import SettingError


def command(
    target: options.MaybeTarget = None,
    space: options.Space = "nas-bench-201",
    data: options.Data = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Without TARGET: the file for the latencies.", metavar="FILE"),
    ] = None,
    networks: Annotated[
        int | None,
        typer.Option(help="With --out FILE.csv: measure so many random networks instead of the parts.", metavar="N"),
    ] = None,
    runtime: options.Runtime = None,
    checks: Annotated[int, typer.Option(help="Random networks that the file is checked on.", metavar="N")] = 50,
    repeats: Annotated[int, typer.Option(help="Timed passes of a network.", metavar="N")] = 30,
    warm_up: Annotated[int, typer.Option(help="Passes before, that do not count.", metavar="N")] = 5,
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
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
    download: options.Download = False,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Measure a network: parameters, FLOPs, memory, latency in PyTorch and ONNX Runtime. Or, with --out and no TARGET,
    the latencies of the parts of a space's networks, which searches and plans then look up; or, with --networks, those
    of random networks, from which la-darts learns; stopped, the same command (without --overwrite) goes on."""
    from nascence.api.measuring import measure, measure_networks, measure_table

    if networks is not None and (target is not None or out is None):
        raise SettingError("Random networks are measured into a file, without TARGET: --networks N --out FILE.csv.")
    if (target is None) == (out is None):
        raise SettingError("Say what to measure: an architecture, or, with --out FILE.json, the parts of a space.")
    if out is not None and (device != "cpu" or precision != "fp32"):
        raise SettingError("Files of latencies are of the CPU in fp32; leave --device and --precision out.")
    console = human(json)
    where: dict[str, Any] = {
        "space": space,
        "data": data,
        "data_dir": data_dir,
        "image_size": image_size,
        "task": task,
        "task_settings": options.task_settings(task_settings, sigma, scale),
        "channels": channels,
        "depth": depth,
        "threads": threads,
        "download": download,
    }
    if out is not None and networks is not None:
        total = measure_networks(
            networks,
            out,
            runtime=runtime,
            repeats=repeats,
            warm_up=warm_up,
            seed=seed,
            overwrite=overwrite,
            progress=True,
            **where,
        )
        console.print(f"Latencies of {total:,} networks are in {out}", markup=False, highlight=False)
        if json:
            emit({"out": str(out), "networks": total})
        return
    if out is not None:
        made = measure_table(out, runtime=runtime, checks=checks, seed=seed, overwrite=overwrite, **where)
        rank = "none" if made.rank_correlation is None else f"{made.rank_correlation:.3f}"
        rows = [
            ("measured on", f"{made.device}, {made.threads} thread{'s' * (made.threads != 1)}, batch 1"),
            ("error of adding up", f"median {_percent(made.median_error)}, 9 of 10 below {_percent(made.error_90)}"),
            (
                "spread of the passes",
                f"{_percent(made.spread)} of a network's latency between the quartiles, in the middle",
            ),
            ("rank correlation", rank),
            ("checked on", f"{made.checked} random networks"),
            ("disturbed", "; ".join(made.disturbed) or None),
            ("kept in", out),
        ]
        facts(console, f"Latencies of the parts of {space}", rows)
        if json:
            emit({"out": str(out), **made.to_json()})
        return
    assert target is not None
    found = measure(target, repeats=repeats, warm_up=warm_up, device=device, precision=precision, **where)
    rows_ = []
    for cost in found["costs"]:
        value = f"{cost['value']:,.0f}" if cost["value"] >= 1000 else f"{cost['value']:.4g}"
        detail = ""
        if "iqr_ms" in cost:
            detail = f"inter-quartile range {cost['iqr_ms']:.2g} ms, {cost['repeats']} passes after {cost['warm_up']}, "
            detail += f"{cost['threads']} thread{'s' * (cost['threads'] != 1)}"
        rows_.append([cost["name"], value, cost["unit"], cost["batch"], cost["device"], detail])
    console.print(found["architecture"], markup=False)
    shape = " x ".join(str(side) for side in found["input_shape"])
    network = found["network"]
    size = ", ".join(f"{name} {network[name]}" for name in ("channels", "depth") if name in network)
    about = f"; network: {size}" if size else ""
    console.print(f"for {found['data']}: {shape}, {found['classes']} classes{about}", markup=False)
    table(console, ("cost", "value", "unit", "batch", "device", ""), rows_)
    if json:
        emit(found)


def _percent(part: float | None) -> str:
    return "unknown" if part is None else f"{100 * part:.1f} %"
