"""Train: from a found or given architecture to a model and its metrics in the run directory."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, final

from torch import nn

from nascence.api.computing import check_shares, chosen, compute_entry, restored
from nascence.api.ensembles import FOUND, load_ensemble, members_to_train, train_members
from nascence.api.examples import keep_examples
from nascence.api.fronts import pick as pick_from
from nascence.api.inputs import (
    data_source,
    describe_task,
    described_signature,
    load_source,
    network_size,
    reload_task,
    settled,
)
from nascence.api.models import own_files, own_teacher, own_training
from nascence.api.recipes import Recipe, given_policy, given_weights, same_training, training_differences
from nascence.api.trainable import described, given_record, redescribed, run_of
from nascence.api.tuning import is_to_be_tuned, resized_record, settings_of, told, tuning_of, untuned
from nascence.api.tuning import tune as tune_training
from nascence.api.unconnected import train_unconnected
from nascence.architecture import Architecture
from nascence.configuration import from_json, to_json
from nascence.engine.compute import ON_CPU
from nascence.engine.team import together
from nascence.engine.threads import compute_threads
from nascence.errors import NascenceError, RunError, SettingError
from nascence.reporting.report import renew_report
from nascence.runs import TRAINING, TUNING, RunDirectory, check_free, execute, named_progress, retraining
from nascence.runs.progress import tell
from nascence.seeding import derive_seed
from nascence.spaces import get_space, plain_size
from nascence.tasks import Task
from nascence.tasks.image_classification import image_classes
from nascence.tasks.policy import Policy
from nascence.training import Training

_RESULTS = (
    *("metrics.json", "model.pt", "attacks.json", TRAINING.checkpoint, TRAINING.events),
    *(TUNING.checkpoint, TUNING.events),
)


@final
@dataclass(frozen=True)
class TrainResult:
    """``metrics`` is the content of the run's ``metrics.json``."""

    architecture: Architecture
    run: RunDirectory
    metrics: Mapping[str, Any]

    def load_model(self) -> nn.Module:
        """The trained network, in evaluation mode."""
        return load_model(self.run)


def train(
    target: str | Path | Architecture | RunDirectory,
    *,
    space: str | None = None,
    pick: str | int | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
    channels: int | None = None,
    depth: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: float | None = None,
    patience: int | None = None,
    class_weights: Literal["balanced"] | str | Path | Mapping[str, float] | None = None,
    adversarial: str | None = None,
    policy: Policy | str | Path | None = None,
    from_scratch: bool = False,
    teacher: bool = False,
    preset: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    tune: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    processes: int = 1,
    channels_last: bool = False,
    compile: bool = False,
    overwrite: bool = False,
    download: bool = False,
    progress: bool | str = True,
) -> TrainResult:
    """Train an architecture and keep ``model.pt`` and ``metrics.json``: from scratch, but what was thinned from a
    network of the user's own goes on from that one's weights.

    ``target``: a run directory with a finished search, whose data, network size and seed are used and which receives
    the results; or an :class:`Architecture`, an ``architecture.json``, or an architecture's string with ``space``, all
    of which need ``out`` (a new run directory) and, unless the file names it, ``data``. ``preset``: a published recipe
    (:data:`nascence.training.PRESETS`); without, :meth:`TrainingConfig.suggested` by the amount of data. ``epochs``,
    ``batch_size``, ``learning_rate`` and ``settings`` (any field of :class:`nascence.training.TrainingConfig`) replace
    parts of it. ``validation``: the part of the training examples to watch epochs by, where the data have none of their
    own; ``patience``: epochs without a better one on it after which to stop. ``class_weights``: ``balanced``, weights
    by class, or a file of them. ``adversarial``: fgsm or pgd, what every batch is attacked with before the network
    learns from it. A training that was begun with the same settings is continued.

    ``policy``: an augmentation policy by which training images are changed: the file of one, a run directory that
    found or used one (or its ``architecture.json``), ``autoaugment``, ``random``, or ``none``; without, the one that
    the run's own search found.

    ``from_scratch``: weights that the user's own network brought are left aside. ``teacher``: the network learns from
    the outputs of that whole network as much as from the targets.
    ``tune``: so many trials first (extra ``tuning``), each a training with other hyperparameters, judged on the
    validation part alone; the network is then trained with the best ones. See :class:`nascence.tuning.Tuning`.

    ``device``, ``precision``, ``processes``: as of :func:`nascence.search`; ``channels_last``: layout of images and
    features in memory; ``compile``: the network by torch.compile. They may change when a training is continued.

    Raises :class:`nascence.errors.NascenceError`, before anything is written; :class:`RunError` also when another
    training is in the directory and ``overwrite`` is not set.
    """
    options: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    options |= {"validation": validation, "patience": patience, "adversarial": adversarial}
    recipe = Recipe(preset, options, settings, given_weights(class_weights), given_policy(policy), tune)
    compute = replace(chosen(device, precision, processes), channels_last=channels_last, compile=compile)
    found = run_of(target)
    if found is not None:
        given = {"space": space, "data": data, "out": out, "data_dir": data_dir, "image_size": image_size}
        settings_given = {"task": task, "task_set": task_settings or None}
        for name, value in {**given, "channels": channels, "depth": depth, **settings_given}.items():
            if value is not None:
                raise SettingError(
                    f"--{name.replace('_', '-')} does not go with a run directory: {found.path} knows its own;"
                    f" to train differently, give {found.path / 'architecture.json'} and another --out."
                )
        found.require_architecture()
        if policy is None and (told := found.read_json("architecture.json").get("policy")) is not None:
            recipe.policy = Policy.from_json(told)
        with compute_threads(threads if threads is not None else found.config.get("threads")) as threads:
            loaded = reload_task(found)
            tuned = not from_scratch and get_space(found.config["space"]).brings_weights
            entry = recipe.entry(loaded, found.config["seed"] if seed is None else seed, threads, tuned=tuned)
            entry |= own_training(found.config["space"], from_scratch, teacher)
            entry |= compute_entry(compute)
            with found.locked():
                current = retraining.begun(found) or found
                architecture = _architecture(current) if pick is None else _picked(found, str(pick))
                if tune is not None and pick is None and found.has(FOUND):
                    raise SettingError("--tune is about one network, and this run found several; add --pick 0, say.")
                if found.has("front.json") or (pick is not None and found.has(FOUND)):
                    entry["architecture"] = str(architecture)  # of an ensemble without a pick, all are trained
                _check({**found.config, "network": untuned(found.config), TRAINING.name: entry}, architecture, loaded)
                return _finish(found, _begin(found, entry, overwrite, architecture, loaded), loaded, progress)
    if pick is not None:
        raise SettingError(f"--pick takes a network from the front of a run, and '{target}' is no run directory.")
    record = given_record(target, space)
    architecture = Architecture.from_dict(record)
    if data is None and "data" in record:
        data, read = record["data"], record.get("loading") or {}
        task, task_settings = task or read.get("task"), task_settings or read.get("settings", {})
    if data is None or out is None:
        missing = "--data" if data is None else "--out"
        raise SettingError(f"Training an architecture that is in no run directory needs {missing}; add it.")
    check_free(out, overwrite)
    source, loaded = settled(data_source(data, data_dir, image_size, task, task_settings), download)
    with compute_threads(threads) as threads:
        config = {
            "kind": TRAINING.name,
            "method": record.get("method"),
            "space": architecture.space,
            **source,
            "seed": seed or 0,
            "network": to_json(network_size(get_space(architecture.space), loaded, channels, depth)),
            "task": describe_task(loaded),
        }
        tuned = not from_scratch and get_space(architecture.space).brings_weights
        entry = recipe.entry(loaded, config["seed"], threads, tuned=tuned)
        entry |= own_training(architecture.space, from_scratch, teacher)
        entry |= compute_entry(compute)
        _check({**config, TRAINING.name: entry}, architecture, loaded)
        about, kept = own_files(architecture.space, record)
        whole = {**config, **about, "architecture": str(architecture), TRAINING.name: entry}
        run = RunDirectory.create(out, whole, overwrite, kept)
        with run.locked():
            return _finish(run, run, loaded, progress)


def continue_training(run: RunDirectory, progress: bool | str = True, device: str | None = None) -> TrainResult:
    """Bring a training to its end from its directory alone; the caller holds the run's lock."""
    run.require("space", "data", "data_dir", "seed", "network", "task", TRAINING.name)
    current = retraining.begun(run) or run
    if current.has("metrics.json") and not retraining.lost_members(current):
        return _kept(run)
    with compute_threads(current.config[TRAINING.name].get("threads")):
        if device is not None:
            entry = dict(current.config[TRAINING.name])
            moved = compute_entry(replace(restored(entry, device), world=1))
            current.update_config(**{TRAINING.name: {**entry, "compute": moved.get("compute", ON_CPU.describe())}})
        return _finish(run, current, reload_task(run), progress)


def load_model(run: str | Path | RunDirectory) -> nn.Module:
    """The network that was trained in a run, with its weights, in evaluation mode. Raises :class:`RunError`."""
    run = run if isinstance(run, RunDirectory) else RunDirectory.open(run)
    members = members_to_train(run)
    if members is not None and run.has("metrics.json"):
        return load_ensemble(run, members, load_model)
    if not run.has("model.pt"):
        raise RunError(f"{run.path} has no trained model yet; type: nascence train {shlex.quote(str(run.path))}")
    architecture = _architecture(run)
    model = _build(run.config, architecture, auxiliary=False)
    try:
        model.load_state_dict(run.read_tensors("model.pt"))
    except (RuntimeError, TypeError, AttributeError):
        raise RunError(f"{run.path / 'model.pt'} does not hold the weights of {architecture}.") from None
    return model.eval()


def fresh_model(run: RunDirectory) -> nn.Module:
    """The found network as its training begins (with the training's seed, else the search's), in evaluation mode.

    Raises :class:`RunError` when the search is not finished.
    """
    run.require_architecture()
    run.require("seed", "network", "task")
    seed = run.config.get(TRAINING.name, run.config)["seed"]
    architecture = _architecture(run)
    model = _build(run.config, architecture, auxiliary=False, seed=_weights_seed(seed))
    inherited = get_space(architecture.space).brought(architecture)
    if inherited is not None:
        model.load_state_dict(inherited)
    return model.eval()


def _weights_seed(seed: int) -> int:
    return derive_seed(seed, "initial weights")


def _check(config: Mapping[str, Any], architecture: Architecture, task: Task) -> None:
    """Whatever does not fit is told before anything is written."""
    prepared = _Prepared(config, architecture, task)
    if "tuning" in config[TRAINING.name]:
        tuning_of(config, architecture, prepared.given)


def _beside(config: Mapping[str, Any], architecture: Mapping[str, Any], rank: int, threads: int) -> Training:
    """The same training in another process, which shares its batches."""
    task = load_source(config, remarks=False)
    return _Prepared(config, Architecture.from_dict(architecture), task, rank).training


@final
class _Prepared:
    """A training that is checked and ready to go."""

    def __init__(self, config: Mapping[str, Any], architecture: Architecture, task: Task, rank: int = 0) -> None:
        """``rank``: which of the processes that train together."""
        self.config, self.architecture = config, architecture
        entry = config[TRAINING.name]
        settings = settings_of(entry)
        weight = settings.auxiliary_weight
        seed = _weights_seed(entry["seed"])
        try:
            model = _build(config, architecture, auxiliary=weight > 0, seed=seed)
        except SettingError as error:
            if not weight:
                raise
            raise SettingError(f"{error} Type: --set auxiliary_weight=0") from None
        space = get_space(architecture.space)
        inherited = None if entry.get("from_scratch") else space.brought(architecture)
        if inherited is not None:
            model.load_state_dict(inherited)
        if "policy" in entry:
            task = replace(image_classes(task, "An augmentation policy"), policy=Policy.from_json(entry["policy"]))
        self.given = task
        compute = restored(entry, rank=rank)
        check_shares(compute, task)
        if compute.world > 1 and space.brings_weights:
            raise SettingError("A network of one's own is trained by one process; leave --processes out.")
        teacher = own_teacher(entry, architecture.space)
        self.training = Training(model, task, settings, seed=entry["seed"], teacher=teacher, compute=compute)
        self.task = self.training.task

    def state(self) -> dict[str, Any]:
        """The weights of the network as it is used, without what only its training needed."""
        plain = _build(self.config, self.architecture, auxiliary=False).state_dict()
        trained = self.training.model.state_dict()
        return {name: trained[name].to("cpu", copy=True) for name in plain}


def _picked(run: RunDirectory, text: str) -> Architecture:
    return Architecture.from_dict(pick_from(run, text))


def _begin(
    run: RunDirectory, entry: dict[str, Any], overwrite: bool, architecture: Architecture, task: Task
) -> RunDirectory:
    """Record what the training in ``run`` is to be, or that it is the one that was begun. Gives the directory in which
    it goes on: the run's own, or, where a trained network is there that it is to replace, one beside it."""
    current = retraining.begun(run) or run
    if same_training(current.config.get(TRAINING.name), entry):
        if not overwrite:
            begun = current.config[TRAINING.name]
            if begun.get("compute") != entry.get("compute"):  # to go on elsewhere
                elsewhere = {**begun, "compute": entry.get("compute", ON_CPU.describe())}
                current.update_config(**{TRAINING.name: elsewhere})
            return current
    elif TRAINING.name in current.config and not overwrite:
        raise RunError(_other_training(run, current, entry))
    changed = architecture != _architecture(run)  # another one of the front
    network = untuned(run.config)
    resized = network != run.config["network"]
    record = redescribed(run, architecture) if changed else run.read_json("architecture.json")
    if resized:
        record = resized_record(record, architecture, network, task)
    if run.has("metrics.json"):
        return retraining.begin(run, {**run.config, "network": network, TRAINING.name: entry}, record)
    retraining.give_up(run)
    for name in _RESULTS:
        with run.writing(name):
            (run.path / name).unlink(missing_ok=True)
    if changed or resized:
        run.write_json("architecture.json", record)
    run.update_config(network=network, **{TRAINING.name: entry})
    return run


def _other_training(run: RunDirectory, current: RunDirectory, entry: Mapping[str, Any]) -> str:
    """What to say where the training that is there, finished or not, is not the one that was asked for."""
    differences = training_differences(current.config[TRAINING.name], entry)
    told = f"with other settings ({'; '.join(differences)})" if differences else "with other settings"
    if current.has("metrics.json"):
        return (
            f"The network in {run.path} was trained {told}; replace it with --overwrite, or keep both: give"
            f" {shlex.quote(str(run.path / 'architecture.json'))} and another --out."
        )
    return (
        f"Another training was begun in {run.path}, {told}; continue it with '{run.resume_command}', or replace it with"
        " --overwrite."
    )


def _finish(run: RunDirectory, current: RunDirectory, task: Task, progress: bool | str) -> TrainResult:
    """Bring the training in ``current`` to its end: the run itself, or what is to replace its training."""
    if current.has("metrics.json") and not retraining.lost_members(current):
        return _kept(current)
    architecture = _architecture(current)
    members = members_to_train(run, current)
    if members is not None:
        metrics = train_members(current, members, task, progress, _finish_member, load_model)
        return _settle(run, current, architecture, metrics)
    prepared = _Prepared(current.config, architecture, task)
    if not current.has("architecture.json"):
        current.write_json("architecture.json", described(current, architecture, task))
    if is_to_be_tuned(current):
        tune_training(current, architecture, prepared.given, progress)
        prepared = _Prepared(current.config, architecture, task)
    training = prepared.training
    shown = named_progress(progress, f"training on {task.name}", "epochs", training.shown)
    try:
        beside = partial(_beside, dict(current.config), architecture.to_dict())
        with together(training, training.compute, beside) as work:
            seconds = execute(work, current, TRAINING, progress=shown)
    except NascenceError as error:
        if current is run or isinstance(error, RunError):  # what cannot be written now can be continued later
            raise
        retraining.give_up(run)
        raise NascenceError(f"{error} The network that was trained before is still there.") from error
    alone = train_unconnected(current.config, prepared.given, settings_of(current.config[TRAINING.name]), progress)
    current.write_tensors("model.pt", prepared.state())
    if "policy" in current.config[TRAINING.name]:
        keep_examples(run, task)
    return _settle(run, current, architecture, {**_metrics(prepared, current, seconds), **alone})


def _finish_member(run: RunDirectory, task: Task, progress: bool | str) -> TrainResult:
    return _finish(run, run, task, progress)


def _settle(
    run: RunDirectory, current: RunDirectory, architecture: Architecture, metrics: Mapping[str, Any]
) -> TrainResult:
    """Keep the metrics, with which a training is complete, and let it take the place of the one before."""
    current.write_json("metrics.json", metrics)
    if current is not run:
        with run.writing("model.pt"):
            retraining.take_place(run.path)
        run = RunDirectory.open(run.path)
        _forget_results(run)
    renew_report(run.path)
    return TrainResult(architecture, run, metrics)


def _forget_results(run: RunDirectory) -> None:
    """What was exported and attacked is the network before: the run no longer says that it is its own."""
    if run.has("attacks.json"):
        with run.writing("attacks.json"):
            (run.path / "attacks.json").unlink()
    if run.has("exports.json"):
        with run.writing("exports.json"):
            (run.path / "exports.json").unlink()
        command = f"nascence export {shlex.quote(str(run.path))}"
        tell(f"Exported files in {run.path} are of the network before; make them anew with: {command}")


def _kept(run: RunDirectory) -> TrainResult:
    """A training that is finished."""
    return TrainResult(_architecture(run), run, run.read_json("metrics.json", "params", "epochs", "seconds"))


def _metrics(prepared: _Prepared, run: RunDirectory, seconds: float) -> dict[str, Any]:
    training, task = prepared.training, prepared.task
    assert training.evaluation is not None
    examples, split = task.examples, training.split
    busy = sum(event["seconds"] for event in run.events(TRAINING))
    record = run.read_json("architecture.json")
    return {
        **task.report(training.evaluation.measures),
        "loss": training.evaluation.loss,
        "metric": vars(task.metric),
        "examples": examples,
        f"test_{examples}": len(task.part("test")),
        **({"validation": _validation(training)} if split == "validation" else {}),
        "epochs": training.steps_done,
        "seconds": round(seconds, 3),
        f"{examples}_per_second": training.steps_done * len(training.part) / busy,
        "device": training.compute.name,
        "params": record["params"],
        "flops": record["flops"],
        **told(run),
        "training": run.config[TRAINING.name],
    }


def _validation(training: Training) -> dict[str, Any]:
    """Which epoch was the best, by what on the validation part, and how many were asked for."""
    assert training.best is not None
    watched = training.task.watched
    return {
        training.task.examples: len(training.judged),
        "metric": watched.name,
        "best": training.best["value"],
        "best_epoch": training.best["epoch"],
        "of_epochs": training.total_steps,
    }


def _build(config: Mapping[str, Any], architecture: Architecture, *, auxiliary: bool, seed: int = 0) -> nn.Module:
    space = get_space(architecture.space)
    network = plain_size(from_json(space.size_class, config["network"]))
    if auxiliary:
        network = space.resized(network, auxiliary=True)
    return space.build(architecture, network=network, signature=described_signature(config["task"]), seed=seed)


def _architecture(run: RunDirectory) -> Architecture:
    if run.has("architecture.json"):
        return Architecture.load(run.path / "architecture.json")
    run.require("space", "architecture")
    return Architecture.from_string(run.config["architecture"], run.config["space"])


__all__ = ["TrainResult", "continue_training", "fresh_model", "load_model", "train"]
