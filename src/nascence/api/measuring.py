"""Measure: every cost of one network, or a table of latencies of a space's parts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nascence.api.inputs import compute_threads, data_source, input_shape, load_source, network_size
from nascence.api.scoring import read_architecture
from nascence.architecture import Architecture
from nascence.configuration import to_json
from nascence.costs import COSTS, CostModel, LatencyTable
from nascence.errors import RunError
from nascence.runs import files
from nascence.spaces import get_space


def measure(
    target: str | Path | Architecture,
    *,
    space: str = "nas-bench-201",
    data: str = "digits",
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    repeats: int = 30,
    warm_up: int = 5,
    onnx: bool = True,
    download: bool = False,
) -> dict[str, Any]:
    """Every cost of the network of an architecture (a run directory, an ``architecture.json``, or a text of ``space``)
    for ``data``: ``costs`` with name, value, unit, batch, device; latencies also with their inter-quartile range,
    threads, repeats and warm-up, in PyTorch and, with ``onnx``, in ONNX Runtime.

    Raises :class:`nascence.errors.NascenceError`.
    """
    from nascence.exporting.latency import onnx_latency_ms

    architecture = read_architecture(target, space)
    found = get_space(architecture.space)
    task = load_source(data_source(data, data_dir, image_size), download)
    network, shape = network_size(found, task, channels, depth), input_shape(task)
    counted = [cost for cost in (COSTS.get(name) for name in COSTS.names()) if cost.key != "latency_ms"]
    with compute_threads(threads) as threads:
        model = CostModel(found, network, shape, task.num_classes, threads=threads)
        costs: list[dict[str, Any]] = [
            {
                "name": cost.name,
                "value": model.cost(cost.key, architecture),
                "unit": cost.unit,
                "batch": cost.batch,
                "device": cost.device,
            }
            for cost in counted
        ]
        measured = {"PyTorch": model.networks.measure(architecture, repeats, warm_up)}
        if onnx:
            module = model.networks.build(architecture)
            measured["ONNX Runtime"] = onnx_latency_ms(module, shape, threads=threads, repeats=repeats, warm_up=warm_up)
    for runtime, latency in measured.items():
        about = {name: value for name, value in asdict(latency).items() if name not in ("median_ms", "device")}
        costs.append(
            {"name": f"latency-ms, {runtime}", "value": latency.median_ms, "unit": "ms", **about}
            | {"device": latency.device}
        )
    size = {"network": to_json(network), "input_shape": list(shape)}
    return {**architecture.to_dict(), "data": data, **size, "costs": costs}


def measure_table(
    out: str | Path,
    *,
    space: str = "nas-bench-201",
    data: str = "digits",
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    checks: int = 50,
    seed: int = 0,
    overwrite: bool = False,
    download: bool = False,
) -> LatencyTable:
    """Measure the parts of a space's networks for ``data`` into the JSON file ``out``, and the error of adding them up
    on ``checks`` random networks. ``threads``: as the searches that look it up will have. Raises
    :class:`nascence.errors.NascenceError`, before anything is measured.
    """
    path = Path(out)
    if path.exists() and not overwrite:
        raise RunError(f"{path} exists; add --overwrite to replace it, or choose another --out.")
    found = get_space(space)
    task = load_source(data_source(data, data_dir, image_size), download)
    network = network_size(found, task, channels, depth)
    with compute_threads(threads) as threads:
        model = CostModel(found, network, input_shape(task), task.num_classes, threads=threads)
        table = LatencyTable.measure(model, checks, seed)
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, table.to_json())
    return table


__all__ = ["measure", "measure_table"]
