"""Search: from a method's name and data to an architecture in a run directory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, final

from torch import nn

import nascence.configuration as configuration
from nascence.api.computing import check_shares, chosen_for, compute_entry, restored
from nascence.api.ensembles import FOUND, describe_found
from nascence.api.examples import keep_examples
from nascence.api.fronts import describe_front, index_of
from nascence.api.inputs import (
    data_source,
    data_text,
    describe_task,
    load_source,
    network_size,
    reload_task,
    settled,
    slug,
)
from nascence.api.models import KeptModel, OwnModel
from nascence.api.tables import look_up, trajectory
from nascence.api.usual import OWN, named
from nascence.architecture import Architecture
from nascence.configuration import from_json, to_json
from nascence.costs import Budget, LatencyTable
from nascence.costs.runtimes import MODULE, get_runtime, usual_runtime
from nascence.declaring import spellings
from nascence.engine.compute import Compute
from nascence.engine.team import together
from nascence.engine.threads import compute_threads
from nascence.errors import DataError, SettingError
from nascence.methods import METHODS, Method, Problem
from nascence.runs import SEARCH, RunDirectory, check_free, delete_run, execute, named_progress
from nascence.runs.listing import USUAL
from nascence.runs.progress import duration, tell
from nascence.spaces import Size, get_space
from nascence.spaces.base import PRESET_FORMS
from nascence.spaces.own.known import own_space
from nascence.strategies import Strategy
from nascence.tasks import Task


@final
@dataclass(frozen=True)
class SearchResult:
    """``record`` is the content of the run's ``architecture.json``."""

    architecture: Architecture
    run: RunDirectory
    record: Mapping[str, Any]


def default_out(method: str, space: str, data: str, seed: int) -> Path:
    """Where a search goes that was not told where: ``runs/te-nas-nas-bench-201-cifar10-s0``."""
    return USUAL / f"{method}-{space}-{slug(data)}-s{seed}"


def search(
    method: str | None = None,
    space: str | None = None,
    data: str | Path = "digits",
    *,
    model: nn.Module | str | Path | KeptModel | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    max_params: float | None = None,
    max_flops: float | None = None,
    max_latency_ms: float | None = None,
    objectives: Sequence[str] | str | None = None,
    latency_table: str | Path | LatencyTable | None = None,
    runtime: str | None = None,
    channels: int | None = None,
    depth: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    processes: int = 1,
    overwrite: bool = False,
    download: bool = False,
    progress: bool | str = True,
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    **more_settings: Any,
) -> SearchResult:
    """Find an architecture; everything is kept in the run directory ``out`` (:func:`default_out` when None).

    ``method``, ``space``: what is usual for the data when None (:func:`nascence.api.usual.usual`): te-nas and
    nas-bench-201 for images, sane and sane for graphs.
    ``max_params``, ``max_flops`` (2 x MACs, one image) and ``max_latency_ms`` (one image, this machine, ``runtime``:
    ``onnx``, the exported file in ONNX Runtime, unless it is ``torch`` or the latency table is of that) limit the
    network that will be trained, whose size is :func:`nascence.api.inputs.network_size`. ``objectives``: names, or one
    text of names separated by commas, for a method that ends in a front between them. ``latency_table``: a file that
    ``nascence measure`` made, from which latencies are predicted instead of measuring parts now. ``settings``: the
    method's, as a mapping or as ``name=value`` texts; ``more_settings`` are settings too, where their names are none of
    the above. What they leave open comes from ``preset`` (``paper``, ``laptop``, ...; a method that has presets takes
    ``laptop`` unless told otherwise), then from the method's own defaults, which are its paper's. Of a front, the run
    keeps all in ``front.json``, and its knee as the architecture. ``overwrite`` replaces an existing run. ``download``
    allows fetching CIFAR-10. ``device``: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; ``precision``: ``fp32`` or
    ``bf16``; ``processes``: how many share every batch. Latencies of a budget are the CPU's, in the runtime.
    ``progress`` goes to stderr; a text is its title.

    ``model``: a network of one's own, to be made thinner and shorter, instead of a ``space``: a module, or
    ``FILE.py:FUNCTION``, which is run; ``weights``: the file of its state dictionary. ``method`` is dmasking when None.

    Raises :class:`nascence.errors.NascenceError` before anything is written when a name, a setting, the data or the
    budget is wrong, and :class:`nascence.runs.Interrupted` on SIGINT and SIGTERM.
    """
    if out is not None:
        check_free(Path(out), overwrite)
    own = own_model(model, weights, space)
    data = data_text(data)
    source: dict[str, Any] = data_source(data, data_dir, image_size, task, task_settings)
    method, space, source, loaded = named(method, space, source, own=own is not None, download=download)
    budget = Budget(max_params=max_params, max_flops=max_flops, max_latency_ms=max_latency_ms)
    form = OWN if own is not None else get_space(space).preset_form
    if own is not None:
        more_settings = {**priced(method, budget, settings, more_settings), **more_settings}
    preset, chosen = method_of(method, settings, more_settings, objectives, preset, form)
    compute = chosen_for(METHODS.get(method), device, precision, processes)
    if own is not None and compute.world > 1:
        raise SettingError("A network of one's own is searched by one process; leave --processes out.")
    path = Path(out) if out is not None else default_out(method, space if own is None else own.slug, data, seed)
    check_free(path, overwrite)
    if loaded is None:
        source, loaded = settled(source, download)
    if own is not None:
        space = own.space(loaded.signature).name
        source["model"] = own.title
    loaded.part("train").check(1)  # what cannot be trained on is not searched for
    with compute_threads(threads) as threads:
        size = network_size(get_space(space), loaded, channels, depth)
        config = search_config(
            chosen, space, source, loaded, size, budget, seed, threads, latency_table, preset, runtime, compute
        )
        prepared = PreparedSearch(config, loaded)
        prepared.keep_latencies()
        kept = {} if own is None else own.files(own_space(space))
        run = RunDirectory.create(path, prepared.config, overwrite, kept)
        if progress and chosen.caveat:  # not before all is checked: a mistake is one sentence
            tell(f"Note: {chosen.caveat}")
        if progress and out is None:
            tell(f"The run goes to {path}")
        try:
            with run.locked():
                if progress and preset is not None:
                    tell(_about(METHODS.get(method), preset, prepared.strategy, alone=compute.world == 1))
                return prepared.finish(run, progress)
        except (DataError, SettingError, MemoryError, RuntimeError):
            if not run.events():  # a search that cannot even begin leaves nothing behind
                delete_run(path)
            raise


def own_model(
    model: nn.Module | str | Path | KeptModel | None, weights: str | Path | None, space: str | None
) -> OwnModel | KeptModel | None:
    """What ``--model`` and ``--weights`` name; nothing is run yet. Raises :class:`SettingError`."""
    if model is None:
        if weights is not None:
            raise SettingError("Weights are those of a network of your own; name it with --model FILE.py:FUNCTION.")
        return None
    if space not in (None, "nas-bench-201"):
        raise SettingError(f"A network of your own is a space by itself; leave --space {space} out.")
    return model if isinstance(model, KeptModel) else OwnModel.given(model, weights)


def priced(
    method: str, budget: Budget, settings: Mapping[str, Any] | Iterable[str], more: Mapping[str, Any]
) -> dict[str, Any]:
    """The setting ``cost``, where the method has it, nobody set it, and one cost alone is limited: that one."""
    names = spellings(METHODS.get(method))
    texts = settings if isinstance(settings, Mapping) else (text.partition("=")[0].strip() for text in settings)
    given = {names[name] for name in (*more, *texts) if name in names}
    limits = list(budget.limits)
    open_ = "cost" in names and names["cost"] not in given
    return {"cost": limits[0]} if open_ and len(limits) == 1 and limits != ["flops"] else {}


def search_config(
    method: Method,
    space: str,
    source: Mapping[str, Any],
    task: Task,
    network: Size,
    budget: Budget,
    seed: int,
    threads: int,
    latency_table: str | Path | LatencyTable | None = None,
    preset: str | None = None,
    runtime: str | None = None,
    compute: Compute | None = None,
) -> dict[str, Any]:
    """A run's configuration: all that a search follows from. ``source``: of :func:`data_source`."""
    table = latency_table
    if table is not None and not isinstance(table, LatencyTable):
        table = LatencyTable.load(table)
    if runtime is None:
        runtime = usual_runtime(task.signature) if table is None else table.runtime
    return {
        "kind": SEARCH.name,
        "method": method.name,
        "settings": to_json(method),
        **({} if preset is None else {"preset": preset}),
        "space": space,
        **source,
        "seed": seed,
        "budget": to_json(budget),
        "runtime": get_runtime(runtime).name,
        **({} if table is None else {"latency_table": table.to_json()}),
        "network": to_json(network),
        "threads": threads,
        **compute_entry(compute),
        "task": describe_task(task),
    }


def continue_search(run: RunDirectory, progress: bool | str = True, device: str | None = None) -> SearchResult:
    """Bring a search to its end from its directory alone; the caller holds the run's lock."""
    if run.has("architecture.json"):
        record = run.read_json("architecture.json")
        return SearchResult(Architecture.from_dict(record), run, record)
    run.require("method", "settings", "space", "data", "data_dir", "seed", "budget", "network", "threads", "task")
    with compute_threads(run.config["threads"]):
        return PreparedSearch(run.config, reload_task(run), device).finish(run, progress)


class PreparedSearch:
    """A search that is checked and ready to go, made from a run's configuration and its data."""

    def __init__(self, config: Mapping[str, Any], task: Task, device: str | None = None, rank: int = 0) -> None:
        """``device``: another one than the configuration's. ``rank``: which of the processes that search together."""
        self.config, self.compute, self.device = dict(config), restored(config, device, rank), device
        check_shares(self.compute, task)
        self.task = task if self.compute.on_cpu else task.on(self.compute.device)
        self.space = get_space(config["space"])
        self.network: Size = from_json(self.space.size_class, config["network"])
        budget = from_json(Budget, config["budget"])
        self.checker = budget.bind(
            self.space,
            self.network,
            signature=task.signature,
            threads=config["threads"],
            latency_table=LatencyTable.from_json(table) if (table := config.get("latency_table")) else None,
            runtime=config.get("runtime", MODULE),  # before there was a choice, it was PyTorch
        )
        if budget:
            self.checker.check()
        cls = METHODS.get(config["method"])
        self.method: Method = from_json(cls, {**cls.EARLIER, **config["settings"]})
        problem = Problem(
            self.space, self.task, self.network, self.checker, config["seed"], config["data_dir"], self.compute
        )
        self.strategy = self.method.strategy(problem)
        if self.compute.world > 1 and not self.strategy.averages:
            raise SettingError(
                f"{self.method.name} with these settings cannot share its batches among processes; leave --processes "
                "out."
            )

    def keep_latencies(self) -> None:
        """Where a limit of latency was predicted from parts that were measured here, keep them in the configuration, so
        that a search that was stopped goes on with the same."""
        model = self.checker.model
        if "latency_ms" in self.checker.budget.limits and model.adds_up("latency_ms"):
            self.config.setdefault("latency_table", LatencyTable.of(model).to_json())

    def finish(self, run: RunDirectory, progress: bool | str) -> SearchResult:
        title = f"{self.config['method']} on {self.space.name}"
        with together(self.strategy, self.compute, partial(_beside, self.config, self.device)) as work:
            seconds = execute(work, run, SEARCH, progress=named_progress(progress, title))
        began = time.monotonic()
        found = self.strategy.outcome()
        wanted = (found.picked,) if found.form == "front" else found.members
        repairs = [self.checker.repair(one) for one in wanted]  # a latency within the budget is one that was measured
        repaired = repairs[found.pick if found.form == "ensemble" else 0]
        architecture = repaired.architecture
        seconds += time.monotonic() - began
        about = {"search_seconds": round(seconds, 3), "device": self.compute.name}
        record = {**self.describe(architecture), **about, **self.strategy.findings()}
        if found.form == "front":
            described = describe_front(found, self.checker.model)
            run.write_json("front.json", described)
            record["front"] = {"size": len(found.members), "index": index_of(described, architecture)}
        elif found.form == "ensemble":
            whole = replace(found, members=tuple(repair.architecture for repair in repairs))
            run.write_json(FOUND, describe_found(whole, self.checker.model))
            record["ensemble"] = {"size": len(whole.members), "index": whole.pick}
        if repaired.measured is not None:
            record["latency_ms"] = repaired.measured.median_ms
            record["latency"] = repaired.measured.to_dict()
            if progress and repaired.measured.disturbed:
                tell(f"Note: other work on this machine disturbed the measurement: {repaired.measured.disturbed}.")
        passed = {
            e["epoch"]: self.space.parse(e["architecture"]) for e in run.events() if {"weights", "epoch"} <= e.keys()
        }
        told = trajectory(passed, self.config["data_dir"]) if passed else None
        if told is not None:
            run.write_json("trajectory.json", told)
        if "policy" in record:
            keep_examples(run, self.task)
        run.write_json("architecture.json", record)
        return SearchResult(architecture, run, record)

    def describe(self, architecture: Architecture) -> dict[str, Any]:
        """What ``architecture.json`` says of an architecture that this search found."""
        model = self.checker.model
        table = look_up(architecture, self.config["data_dir"], steered=self.method.reads_table)
        index = self.space.index(architecture)
        return {
            **architecture.to_dict(),
            **({"index": index} if index is not None else {}),
            **{name: self.config[name] for name in ("method", "settings", "seed", "data", "budget", "network")},
            **({"loading": self.config["loading"]} if "loading" in self.config else {}),
            "params": model.params(architecture),
            "flops": model.flops(architecture),
            "input_shape": self.config["task"]["input_shape"],
            **({"class_names": names} if (names := self.config["task"].get("class_names")) else {}),
            **({"table": table} if table is not None else {}),
            **({"caveat": self.method.caveat} if self.method.caveat else {}),
            **({} if "model" not in self.config else {"own": self._describe_own()}),
        }

    def _describe_own(self) -> dict[str, Any]:
        """What was found in the network that the search began with, and what the whole of it costs."""
        space, model = own_space(self.space.name), self.checker.model
        whole = space.largest
        return {
            "model": self.config["model"],
            "params": model.params(whole),
            "flops": model.flops(whole),
            "trained": space.trained,
            "parts": space.table(),
        }


def _beside(config: Mapping[str, Any], device: str | None, rank: int, threads: int) -> Strategy:
    """The same search in another process, which shares its batches."""
    return PreparedSearch({**config, "threads": threads}, load_source(config, remarks=False), device, rank).strategy


def _about(method: type[Method], preset: str, strategy: Strategy, alone: bool) -> str:
    """Which preset it is and, where it is not the one for ordinary computers, how long it takes here."""
    form_of = {f"{name}-{form}": name for name in method.PRESETS for form in PRESET_FORMS}  # taken by themselves
    own = (preset, form_of.get(preset))
    others = ", ".join(name for name in method.PRESETS if name not in form_of and name not in own)
    text = f"Preset {preset} of {method.name} (there are also: {others})"
    seconds = strategy.expected_seconds() if alone and not preset.startswith("laptop") else None
    return text + (f"; expected to take {duration(seconds)} on this machine" if seconds is not None else "")


def _objectives(method: str, given: Sequence[str] | str) -> tuple[str, ...]:
    """The names; raises :class:`SettingError` for a method that ends in one architecture."""
    if "objectives" not in {field.name for field in fields(METHODS.get(method))}:
        raise SettingError(
            f"{method} ends in one architecture and takes no --objectives; try --method evolution, or a budget."
        )
    names = given.split(",") if isinstance(given, str) else given
    return tuple(name.strip() for name in names if name.strip())


def method_of(
    name: str,
    given: Mapping[str, Any] | Iterable[str] = (),
    more: Mapping[str, Any] | None = None,
    objectives: Sequence[str] | str | None = None,
    preset: str | None = None,
    form: str = "",
) -> tuple[str | None, Method]:
    """The preset's name and the method called ``name`` with its settings, as :func:`search` takes them; ``form``: that
    of presets which suits the space. Raises :class:`nascence.errors.NascenceError`."""
    cls, more = METHODS.get(name), dict(more or {})
    preset, values = cls.preset(preset, form)
    if objectives is not None:
        more["objectives"] = _objectives(name, objectives)
    if isinstance(given, str):
        raise SettingError("settings must be a mapping or a list of name=value texts, not one text.")
    if isinstance(given, Mapping):
        return preset, configuration.settings(cls, (), {**given, **more}, values)
    return preset, configuration.settings(cls, given, more, values)


__all__ = [
    "PreparedSearch",
    "SearchResult",
    "continue_search",
    "default_out",
    "method_of",
    "search",
    "search_config",
]
