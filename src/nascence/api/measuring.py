"""Measure: every cost of one network, latencies of a space's parts, or latencies of random networks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nascence.api.computing import chosen
from nascence.api.inputs import network_size, sized
from nascence.api.targets import ASSUMED, network_of, read_target, task_of
from nascence.architecture import Architecture
from nascence.configuration import MOST, at_most, to_json
from nascence.costs import COSTS, CostModel, LatencyTable
from nascence.costs.latency import latency_ms
from nascence.costs.latency_samples import LatencySamples, random_architectures
from nascence.costs.networks import Networks
from nascence.costs.runtimes import MODULE, get_runtime, usual_runtime
from nascence.engine.compute import ON_CPU
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError
from nascence.runs import files
from nascence.runs.progress import named_progress
from nascence.spaces import get_space
from nascence.writing import check_out, growing_alone


def measure(
    target: str | Path | Architecture,
    *,
    space: str = "nas-bench-201",
    data: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    repeats: int = 30,
    warm_up: int = 5,
    onnx: bool = True,
    download: bool = False,
) -> dict[str, Any]:
    """Every cost of the network of an architecture (a run directory, an ``architecture.json``, or a text of ``space``)
    for ``data``: ``costs`` with name, value, unit, batch, device; latencies also with their inter-quartile range,
    threads, repeats and warm-up, in PyTorch on ``device`` in ``precision`` and, with ``onnx``, in ONNX Runtime on the
    CPU.

    The size of the network, the shape of the images, the number of classes and of threads are those of the run, unless
    the arguments say otherwise; its data need not be there. An architecture alone is measured for ``data``, digits
    when None. Raises :class:`nascence.errors.NascenceError`.
    """
    from nascence.exporting.latency import onnx_latency_ms

    compute = chosen(device, precision)
    known = read_target(target, space)
    architecture = known.architecture
    at_most(MOST, repeats=repeats, warm_up=warm_up)
    found = get_space(architecture.space)
    if data is image_size is data_dir is task is None and not task_settings and known.network and known.signature:
        network, signature = sized(found, known.network, channels, depth), known.signature
    else:
        loaded = task_of(known, data, data_dir, image_size, download, task, task_settings)
        network, signature = network_of(known, loaded, channels, depth), loaded.signature
    if threads is None and known.run is not None:
        threads = known.run.config.get("threads")
    counted = [cost for cost in (COSTS.get(name) for name in COSTS.names()) if cost.key != "latency_ms"]
    with compute_threads(threads) as threads:
        model = CostModel(found, network, signature, threads=threads, runtime=MODULE)
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
        if compute == ON_CPU:
            measured = {"PyTorch": model.networks.measure(architecture, repeats, warm_up)}
        else:
            options: dict[str, Any] = {"threads": threads, "repeats": repeats, "warm_up": warm_up, "compute": compute}
            told = "PyTorch" if precision == "fp32" else f"PyTorch in {precision}"
            measured = {told: latency_ms(model.networks.build(architecture), signature, **options)}
        if onnx:
            module = model.networks.build(architecture)
            measured["ONNX Runtime"] = onnx_latency_ms(
                module, signature.input_shape, threads=threads, repeats=repeats, warm_up=warm_up
            )
    for runtime, latency in measured.items():
        about = {name: value for name, value in latency.to_dict().items() if name != "device"}
        costs.append(
            {"name": f"latency-ms, {runtime}", "value": latency.median_ms, "unit": "ms", **about}
            | {"device": latency.device}
        )
    size = {"network": to_json(network), "input_shape": list(signature.input_shape)}
    named = data or (known.source["data"] if known.source else ASSUMED)
    return {**architecture.to_dict(), "data": named, **size, "classes": signature.outputs, "costs": costs}


def measure_table(
    out: str | Path,
    *,
    space: str = "nas-bench-201",
    data: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    runtime: str | None = None,
    checks: int = 50,
    seed: int = 0,
    overwrite: bool = False,
    download: bool = False,
) -> LatencyTable:
    """Measure the parts of a space's networks for ``data`` in ``runtime`` (``onnx``, the exported file in ONNX Runtime,
    unless ``torch``) into the JSON file ``out``, and the error of adding them up on ``checks`` random networks.
    ``threads``: as the searches that look it up will have. Raises
    :class:`nascence.errors.NascenceError`, before anything is measured.
    """
    if checks < 1:
        raise SettingError(f"The number of networks to check the table on must be at least 1, not {checks}.")
    at_most(MOST, checks=checks)
    path = Path(out)
    check_out(path, overwrite)
    found = get_space(space)
    loaded = task_of(None, data, data_dir, image_size, download, task, task_settings)
    network = network_size(found, loaded, channels, depth)
    with compute_threads(threads) as threads:
        model = CostModel(found, network, loaded.signature, threads=threads, runtime=runtime, anew=True)
        table = LatencyTable.measure(model, checks, seed)
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, table.to_json())
    return table


def measure_networks(
    count: int,
    out: str | Path,
    *,
    space: str = "nas-bench-201",
    data: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    runtime: str | None = None,
    repeats: int = 30,
    warm_up: int = 5,
    seed: int = 0,
    overwrite: bool = False,
    download: bool = False,
    progress: bool | str = False,
) -> int:
    """Measure the latencies of ``count`` random networks of a space for ``data`` in ``runtime`` (``onnx``, the exported
    file in ONNX Runtime, unless ``torch``) into the CSV file ``out``, from which
    ``--set latencies=FILE`` learns to predict; returns how many it holds. A file that is there is continued. Raises
    :class:`nascence.errors.NascenceError`, before anything is measured.
    """
    at_most(MOST, networks=count, repeats=repeats, warm_up=warm_up)
    for name, value, least in (("networks", count, 1), ("repeats", repeats, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    path = Path(out)
    if path.suffix.lower() != ".csv":
        raise SettingError(f"Measured networks go to a CSV file; {path} does not end in .csv.")
    found = get_space(space)
    architectures = random_architectures(found, count, seed)
    loaded = task_of(None, data, data_dir, image_size, download, task, task_settings)
    network = network_size(found, loaded, channels, depth)
    shown = named_progress(progress, f"Latencies of {space}", "networks", ("latency_ms",))
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with compute_threads(threads) as threads, files.explained(path), growing_alone(path) as descriptor:
        if overwrite:
            os.ftruncate(descriptor, 0)
        name = get_runtime(runtime or usual_runtime(loaded.signature)).name
        samples = LatencySamples(path, Networks(found, network, loaded.signature, threads, runtime_name=name))
        done = len(set(map(found.format, architectures)) & set(samples.texts))
        if shown is not None:
            shown.begin(count, done)
        try:
            for _, milliseconds in samples.measure(architectures, repeats=repeats, warm_up=warm_up):
                if shown is not None:
                    done += 1
                    shown.update(count, done, {"latency_ms": milliseconds})
        finally:
            if shown is not None:
                shown.end()
    return len(samples.texts)


__all__ = ["measure", "measure_networks", "measure_table"]
