"""Plan: what a space offers, whether a budget can be met, and how long a search would take, before any search."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from nascence.api.computing import chosen_for
from nascence.api.inputs import data_source, data_text, network_size, settled
from nascence.api.searching import (
    method_of,
    own_model,
    priced,
    search_config,
)
from nascence.api.step_clock import time_steps
from nascence.api.usual import OWN, named
from nascence.configuration import to_json
from nascence.costs import COSTS, Budget, BudgetChecker, CostModel, LatencyTable, Survey, survey
from nascence.engine.threads import compute_threads
from nascence.errors import BudgetError, NascenceError
from nascence.methods import METHODS
from nascence.spaces import get_space
from nascence.spaces.own.known import own_space

SEARCH_SECONDS = 20.0
"""How long steps of the search are timed for, starting the program included."""
_UNMEASURED = "nothing was measured; leave --no-measure out, or look latencies up with --latency-table FILE"
_UNSURE = 1.15
"""What latencies measured beside other work were off by (docs/budgets.md)."""
_UNSEEN = 3.0
"""With 95 % confidence, what N draws never met is less than 3 / N of all (Hanley & Lippman-Hand, JAMA 1983)."""


def plan(
    space: str | None = None,
    data: str | Path = "digits",
    *,
    method: str | None = None,
    model: nn.Module | str | Path | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    max_params: float | None = None,
    max_flops: float | None = None,
    max_latency_ms: float | None = None,
    objectives: Sequence[str] | str | None = None,
    latency_table: str | Path | None = None,
    runtime: str | None = None,
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    measure: bool = True,
    download: bool = False,
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
) -> dict[str, Any]:
    """What :func:`nascence.search` of the same arguments could find, and how long it would take.

    ``costs``: of each, the smallest, median and largest value in the space, with unit, batch, device, and ``how`` they
    are known: ``exact``, ``of N random``, ``by descent``. ``budget`` (None without limits): ``possible``, the ``share``
    of the space within it (a bound where ``share_below``; with ``unsure``, from where to where, as latencies
    that other work disturbed are less sure), and ``why`` not. ``latency`` (None without latencies): the
    ``runtime`` that they are of, and what other work ``disturbed``, even when it was measured again. ``search``:
    ``steps``, ``seconds`` and how many steps were timed; ``fails`` where it could not begin.

    Without ``measure`` nothing is timed: no search, and no latencies, unless they are looked up; whether a limit of
    latency can be met is then not known (``possible`` None).

    Raises :class:`nascence.errors.NascenceError` on a mistake; a budget that cannot be met is an answer, no mistake.
    """
    own = own_model(model, weights, space)
    data = data_text(data)
    source: dict[str, Any] = data_source(data, data_dir, image_size, task, task_settings)
    method, space, source, loaded = named(method, space, source, own=own is not None, download=download)
    compute = chosen_for(METHODS.get(method), device, precision)
    budget = Budget(max_params=max_params, max_flops=max_flops, max_latency_ms=max_latency_ms)
    more = None if own is None else priced(method, budget, settings, {})
    form = OWN if own is not None else get_space(space).preset_form
    preset, chosen = method_of(method, settings, more, objectives, preset, form)
    if loaded is None:
        source, loaded = settled(source, download)
    if own is not None:
        space = own.space(loaded.signature).name
        source["model"] = own.title
    found = get_space(space)
    with compute_threads(threads) as threads:
        network = network_size(found, loaded, channels, depth)
        table = None if latency_table is None else LatencyTable.load(latency_table)
        timed = measure or table is not None
        counted = budget if timed else replace(budget, max_latency_ms=None)
        bound: dict[str, Any] = {"threads": threads, "latency_table": table, "runtime": runtime}
        checker = counted.bind(found, network, signature=loaded.signature, **bound)
        priced_by = checker.model
        names = ["params", "flops", "memory_mib", *(["latency_ms"] if timed else [])]
        ranges = {name: priced_by.range(name) for name in names if name != "memory_mib"}
        together = survey(priced_by, list(ranges))  # after the ranges: it draws more in its time when parts are known
        costs = [_cost(priced_by, name, ranges.get(name), together) for name in names]
        told = _budget(checker, together) if budget else None
        if (
            told is not None
            and told["possible"]
            and "latency_ms" in counted.limits
            and _latency(priced_by)["disturbed"]
        ):
            told["unsure"] = [_share(counted, together, factor) for factor in (1 / _UNSURE, _UNSURE)]
        if told is not None and told["possible"] and counted != budget:
            told = {"limits": budget.limits, "possible": None, "share": None, "share_below": False, "why": _UNMEASURED}
        search: dict[str, Any] | None = None
        if measure and (told is None or told["possible"]):
            if max_latency_ms is not None and priced_by.adds_up("latency_ms"):
                table = LatencyTable.of(priced_by)  # so that the search sees the same latencies
            config = search_config(
                chosen, space, source, loaded, network, budget, seed, threads, table, preset, runtime, compute
            )
            with kept_aside({} if own is None else own.files(own_space(space))) as folder:
                search = _search(config if folder is None else {**config, "network_folder": str(folder)})
        latency = _latency(priced_by) if timed else None
    size = {"network": to_json(network), "input_shape": list(loaded.signature.input_shape), "threads": threads}
    answers = {"costs": costs, "budget": told, "latency": latency, "search": search}
    return {"space": space, "size": found.size, "data": data, **size, **answers}


@contextmanager
def kept_aside(files: Mapping[str, bytes]) -> Iterator[Path | None]:
    """A folder with ``files``, for another process to read; None where there are none."""
    if not files:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        yield Path(folder)


def _latency(model: CostModel) -> dict[str, Any]:
    networks = model.networks
    noise = networks.noise if networks.latency_table is None else networks.latency_table.disturbed
    return {"runtime": networks.runtime.name, "disturbed": list(dict.fromkeys(noise))}


def _cost(model: CostModel, name: str, ends: tuple[float, float] | None, together: Survey) -> dict[str, Any]:
    """``ends``: the smallest and the largest value, None where all that is known of them is the draws'."""
    cost = next(cost for cost in (COSTS.get(known) for known in COSTS.names()) if cost.key == name)
    known = together if name in together.values else survey(model, [name], least=3)
    values = known.values[name]
    drawn = f"of {known.count:,} random"
    low, high = ends or (float(values.min()), float(values.max()))
    if ends is None:
        how = drawn
    elif model.adds_up(name):
        how = "exact" if known.exact else f"exact; median {drawn}"
        if name == "latency_ms":
            known_from = "measured" if model.networks.latency_table is None else "looked up"
            how = f"predicted from parts that were {known_from} in {model.networks.runtime.title}"
    else:
        how = f"by descent; median {drawn}"
    return {
        "name": cost.name,
        "unit": cost.unit,
        "batch": cost.batch,
        "device": cost.device,
        "smallest": low,
        "median": known.median(name),
        "largest": high,
        "how": how,
    }


def _budget(checker: BudgetChecker, together: Survey) -> dict[str, Any]:
    limits = checker.budget.limits
    try:
        checker.check()
    except BudgetError as error:
        return {"limits": limits, "possible": False, "share": 0.0, "share_below": False, "why": str(error)}
    share = together.share(limits)
    unseen = share == 0 and not together.exact
    how = "all" if together.exact else f"{together.count:,} random"
    share = min(1.0, _UNSEEN / together.count) if unseen else share
    return {"limits": limits, "possible": True, "share": share, "share_below": unseen, "of": how, "why": None}


def _share(budget: Budget, together: Survey, factor: float) -> float:
    """The part of the space within the budget, were every latency so many times as short."""
    return together.share(
        {name: limit * (factor if name == "latency_ms" else 1) for name, limit in budget.limits.items()}
    )


def _search(config: Mapping[str, Any]) -> dict[str, Any]:
    about = {"method": config["method"]}
    try:
        steps, expected, seconds = time_steps(config, SEARCH_SECONDS)
    except NascenceError as error:
        return {**about, "steps": None, "seconds": None, "timed": 0, "why": str(error), "fails": True}
    if expected is not None:
        return {**about, "steps": steps, "seconds": expected, "timed": 0, "why": None}
    if not seconds:
        why = f"its first step takes longer than the {SEARCH_SECONDS:g} s that plan waits"
        if steps:
            why = f"the first of its {steps} steps takes longer than {SEARCH_SECONDS:g} s"
        return {**about, "steps": steps or None, "seconds": None, "timed": 0, "why": why}
    return {**about, "steps": steps, "seconds": fmean(seconds) * steps, "timed": len(seconds), "why": None}


__all__ = ["plan"]
