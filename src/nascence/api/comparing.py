"""Compare: several methods over several seeds, beside random architectures, the largest one and a plain ResNet."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from torch import nn

from nascence.api.computing import Workers, compute_entry
from nascence.api.inputs import data_source, data_text, describe_task, load_source, network_size, settled
from nascence.api.models import KeptModel, OwnModel
from nascence.api.resuming import resume
from nascence.api.searching import PreparedSearch, method_of, own_model, priced, search, search_config
from nascence.api.tables import evaluation_columns
from nascence.api.training import train
from nascence.architecture import Architecture
from nascence.configuration import MOST, at_most, to_json
from nascence.costs import Budget, BudgetChecker, CostModel, LatencyTable
from nascence.costs.runtimes import MODULE, usual_runtime
from nascence.engine.compute import Compute
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError
from nascence.methods import METHODS
from nascence.runs import TRAINING, Interrupted, RunDirectory, Terminated, execute, named_progress
from nascence.runs.directory import metric_of
from nascence.spaces import get_space
from nascence.spaces.own import OwnSpace
from nascence.spaces.own.known import kept_space, own_space
from nascence.spaces.own.space import EIGHTHS
from nascence.training import Training, TrainingConfig


def compare(
    methods: Sequence[str],
    space: str = "nas-bench-201",
    data: str | Path = "digits",
    *,
    model: nn.Module | str | Path | None = None,
    weights: str | Path | None = None,
    seeds: int | Sequence[int] = 4,
    out: str | Path,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    max_params: float | None = None,
    max_flops: float | None = None,
    max_latency_ms: float | None = None,
    runtime: str | None = None,
    channels: int | None = None,
    depth: int | None = None,
    epochs: int = 0,
    columns: Sequence[str] = (),
    preset: str | None = None,
    workers: int = 1,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
) -> dict[str, Any]:
    """Search with every method and seed, each in a run of its own below ``out``; returns ``comparison.json``'s content.

    ``preset``: of the methods that have presets; None for each one's ``laptop``.

    ``model``, ``weights``: a network of one's own instead of a ``space``, as of :func:`nascence.search`. The folder
    keeps what it was when the comparison began; beside the methods stands then the network that has the same width
    everywhere, too.

    ``seeds``: their number (0, 1, ...) or they themselves. ``epochs`` above 0 also trains every result. Where a table
    of the space lies in the data folder, all results are looked up in its ``columns`` (default: test accuracies) at the
    end. ``device``, ``precision``: of searches and trainings, as of :func:`nascence.search`; a method that computes on
    the CPU alone searches there. ``cuda`` with several ``workers`` and GPUs gives each worker one of them.

    Stopped at any moment, the same call continues. Raises :class:`nascence.errors.NascenceError`.
    """
    from nascence.benchmarks import Comparison, table_of

    where = Workers.on(device, precision)
    presets = [METHODS.get(method).preset(preset) for method in methods if METHODS.get(method).PRESETS]
    if preset is not None and not presets:
        raise SettingError("None of these methods has presets; leave --preset out.")
    if epochs < 0:
        raise SettingError(f"The number of epochs must be at least 0, got {epochs}.")
    at_most(10_000, seeds=seeds if isinstance(seeds, int) else len(seeds))
    at_most(MOST, epochs=epochs)
    at_most(4_096, workers=workers)
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    budget = Budget(max_params=max_params, max_flops=max_flops, max_latency_ms=max_latency_ms)
    own = own_model(model, weights, space)
    data = data_text(data)
    source, loaded = settled(data_source(data, data_dir, image_size, task, task_settings), download)
    kept: KeptModel | None = None
    if own is not None:
        space = own.space(loaded.signature).name
        kept = KeptModel(own.title, space, Path(out))
        if workers > 1 and isinstance(model, nn.Module) and (parts := ", ".join(own_space(space).borrowed)):
            raise SettingError(
                f"{parts} could not be traced, and other processes can make such a part from the network's file alone; "
                "leave --workers out, or give model='FILE.py:FUNCTION'."
            )
    form = get_space(space).preset_form
    network = network_size(get_space(space), loaded, channels, depth)
    latencies: LatencyTable | None = None
    checker: BudgetChecker | None = None
    if budget:
        alone = 1 if workers > 1 else threads
        checker = budget.bind(get_space(space), network, signature=loaded.signature, threads=alone, runtime=runtime)
        checker.check()
        if max_latency_ms is not None and checker.model.adds_up("latency_ms"):
            latencies = LatencyTable.of(checker.model)  # measured once, for all searches
    table = table_of(space, source["data_dir"])
    if columns and table is None:
        raise SettingError(f"There is no table of {space} below {source['data_dir']}/tables to take columns from.")
    options = _Options(
        space=space,
        **source,
        max_params=max_params,
        max_flops=max_flops,
        max_latency_ms=max_latency_ms,
        channels=getattr(network, "channels", None),
        depth=getattr(network, "depth", None),
    )
    shown = asdict(options) | ({"preset": preset} if preset is not None else {})
    shown = {name: value for name, value in shown.items() if name != "loading" or value is not None}
    if max_latency_ms is not None and (chosen_runtime := runtime or usual_runtime(loaded.signature)) != MODULE:
        shown["runtime"] = chosen_runtime
    if own is not None:
        shown["model"] = own.title
    shown |= where.entry()
    with compute_threads(threads) as number, _stopped():
        for method in methods:  # data that do not suffice for one of them are told before anything is written
            asked = preset if METHODS.get(method).PRESETS else None
            more = None if own is None else priced(method, budget, (), {})
            named, chosen = method_of(method, more=more, preset=asked, form=form)
            seed = numbers[0] if numbers else 0
            given = (chosen, space, source, loaded, network, budget, seed, number, latencies, named, runtime)
            PreparedSearch(search_config(*given, where.compute_for(METHODS.get(method))), loaded)
        return Comparison(
            methods=list(methods),
            seeds=numbers,
            model=CostModel(get_space(space), network, loaded.signature, threads=threads),
            search=_Search(options, where, preset, latencies, runtime, kept),
            train=_Train(options, where, epochs) if epochs else None,
            out=Path(out),
            table=table,
            columns=(list(columns) or evaluation_columns(table)) if table is not None else (),
            workers=workers,
            gpus=where.gpus,
            budget=budget,
            settings={**shown, "epochs": epochs},
            **({} if own is None else _of_own(own, own_space(space), Path(out), checker)),
        ).run()


def _of_own(own: OwnModel | KeptModel, space: OwnSpace, folder: Path, checker: BudgetChecker | None) -> dict[str, Any]:
    """What a comparison of what is left of one's own network has beside the usual. ``checker``: None without a budget,
    when the widest of the same width is the whole network."""
    widths = () if checker is None else (space.same_width(eighths) for eighths in range(len(EIGHTHS), 0, -1))
    within = next((one for one in widths if checker is not None and checker.allows(one)), None)
    return {"same_width": within, "kept": own.files(space), "reopen": partial(kept_space, folder, space.name)}


@contextmanager
def _stopped() -> Iterator[None]:
    """Whoever stops one run stops the comparison, and learns how that goes on."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt, Terminated) as stop:
        number = stop.exit_code - 128 if isinstance(stop, Interrupted) else signal.SIGINT
        if isinstance(stop, Terminated):
            number = signal.SIGTERM
        raise Interrupted(number, "the same command", "; what was finished is kept") from None


@final
@dataclass(frozen=True, kw_only=True)
class _Options:
    """What all runs of a comparison share; plain values, so that it can be sent to other processes."""

    space: str
    data: str
    data_dir: str
    image_size: int | None
    max_params: float | None
    max_flops: float | None
    max_latency_ms: float | None
    channels: int | None
    depth: int | None
    loading: Mapping[str, Any] | None = None

    def arguments(self, *names: str) -> dict[str, Any]:
        """Those of ``names`` as :func:`search` and :func:`train` take them; all without names."""
        values = asdict(self)
        read = values.pop("loading") or {"task": None, "settings": {}}
        chosen = {name: value for name, value in values.items() if not names or name in names}
        return {**chosen, "task": read["task"], "task_settings": read["settings"]}


def _title(directory: Path) -> str:
    """Of an entry's progress: ``te-nas, seed 3`` for ``.../te-nas/seed-3``."""
    return f"{directory.parent.name}, {directory.name.replace('-', ' ')}"


def _elsewhere(compute: Compute) -> str | None:
    """Where an entry that was stopped goes on: the GPU that its worker has now, which may be another than before."""
    return None if compute.on_cpu else str(compute.device)


@final
@dataclass(frozen=True)
class _Search:
    options: _Options
    where: Workers
    preset: str | None = None
    latencies: LatencyTable | None = None
    runtime: str | None = None
    own: KeptModel | None = None

    def __call__(self, method: str, seed: int, directory: Path) -> None:
        title = _title(directory)
        compute = self.where.compute_for(METHODS.get(method))
        if (directory / "config.json").is_file():
            resume(directory, progress=title, device=_elsewhere(compute))
        else:
            preset = self.preset if METHODS.get(method).PRESETS else None
            known: dict[str, Any] = {"latency_table": self.latencies, "runtime": self.runtime}
            known |= {"device": str(compute.device), "precision": compute.precision}
            given = {**self.options.arguments(), **known}
            if self.own is not None:
                given |= {"space": None, "model": self.own}
            search(method, seed=seed, out=directory, progress=title, preset=preset, **given)


@final
@dataclass(frozen=True)
class _Train:
    options: _Options
    where: Workers
    epochs: int

    def __call__(self, subject: Architecture | nn.Module, seed: int, directory: Path) -> Mapping[str, float]:
        if isinstance(subject, nn.Module):
            return self._train_module(subject, seed, directory)
        title = f"{_title(directory)}, training"
        on: dict[str, Any] = {"device": self.where.device, "precision": self.where.precision}
        if not (directory / "config.json").is_file():
            size = self.options.arguments("data", "data_dir", "image_size", "channels", "depth")
            result = train(subject, out=directory, seed=seed, epochs=self.epochs, progress=title, **on, **size)
        elif RunDirectory.open(directory).config["kind"] == TRAINING.name:
            resume(directory, progress=title, device=_elsewhere(self.where.compute()))
            return self._measures(RunDirectory.open(directory).read_json("metrics.json"))
        else:
            result = train(directory, seed=seed, epochs=self.epochs, progress=title, **on)
        return self._measures(result.metrics)

    def _train_module(self, module: nn.Module, seed: int, directory: Path) -> Mapping[str, float]:
        """A network that is of no space, trained in the same way."""
        options = asdict(self.options)
        task = load_source(options)
        config, compute = TrainingConfig.suggested(task, epochs=self.epochs), self.where.compute()
        if (directory / "config.json").is_file():
            run = RunDirectory.open(directory)
        else:
            about = {"data": options["data"], "seed": seed, "task": describe_task(task), "settings": to_json(config)}
            run = RunDirectory.create(directory, {"kind": "reference", **about, **compute_entry(compute)})
        training = Training(module, task, config, seed=seed, compute=compute)
        with run.locked():
            shown = named_progress(f"{_title(directory)}, training", "", "epochs", training.shown)
            seconds = execute(training, run, TRAINING, progress=shown)
        assert training.evaluation is not None
        return {f"test_{training.evaluation.metric}": training.evaluation.value, "training_seconds": seconds}

    @staticmethod
    def _measures(metrics: Mapping[str, Any]) -> Mapping[str, float]:
        metric = metric_of(metrics)["name"]
        return {f"test_{metric}": metrics[metric], "training_seconds": metrics["seconds"]}


__all__ = ["compare"]
