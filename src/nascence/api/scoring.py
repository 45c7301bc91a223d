"""Score: numbers for architectures, computed without training."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from nascence.api.computing import Workers, chosen
from nascence.api.inputs import load_source, settled
from nascence.api.targets import ASSUMED, common, read_target, source_of, task_of
from nascence.architecture import Architecture
from nascence.configuration import at_most
from nascence.engine.threads import compute_threads
from nascence.errors import ArchitectureError, SettingError, UnknownNameError
from nascence.runs import Interrupted, Progress, Terminated
from nascence.runs.progress import tell
from nascence.seeding import generator
from nascence.spaces import Space, get_space
from nascence.tasks import Task

if TYPE_CHECKING:
    from nascence.benchmarks.scores_file import ScoreTable
    from nascence.benchmarks.selections import Selection
    from nascence.engine.pool import WorkerPool
    from nascence.scores import Score

EXECUTORS = ("processes", "ray")
USUAL = ("ntk-condition", "linear-regions")
"""The scores that are computed where none is named, as far as they apply."""


def score(
    architectures: Sequence[str | Path | Architecture] = (),
    scores: Sequence[str] | None = None,
    *,
    space: str = "nas-bench-201",
    data: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    random: int = 0,
    draws: int = 1,
    seed: int = 0,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    network: str | None = None,
) -> list[dict[str, Any]]:
    """``{"space", "architecture", "data", "scores": {name: mean}, "draws": {name: values}}`` of every architecture.

    ``scores`` None: those of :data:`USUAL` that apply to spaces and data, with a note about what is left out.
    ``architectures``: texts of ``space``, run directories, results of searches or ``architecture.json`` files; then
    ``random`` random ones. Each score is the mean over ``draws`` draws of weights and images, the same ones for all
    architectures. ``data`` None: those of the runs, with the runs' network size; where there is no run, digits.
    ``device``: where networks are scored, ``precision``: fp32 or bf16. ``network``: the size of the networks that
    scores look at, by its name in the space, None for what each score wants. Raises
    :class:`nascence.errors.NascenceError`.
    """
    from nascence.scores import SCORES, evaluate

    compute = chosen(device, precision)
    at_most(100_000, random=random)
    at_most(10_000, draws=draws)
    if random < 0 or draws < 1:
        raise SettingError("The number of random architectures must be at least 0, that of draws at least 1.")
    targets = [read_target(target, space) for target in architectures]
    own = common(targets, data)
    wanted = [target.architecture for target in targets]
    wanted += [get_space(space).sample(generator(seed, "random architecture", at)) for at in range(random)]
    if not wanted:
        raise SettingError("There is nothing to score; give architectures, or a number of random ones with --random.")
    if scores is not None and not scores:
        raise SettingError(f"Name at least one score: {', '.join(SCORES.names())}.")
    computers = _computers(USUAL if scores is None else scores, network)
    task = task_of(own, data, data_dir, image_size, download)
    spaces = [get_space(name) for name in dict.fromkeys(architecture.space for architecture in wanted)]
    computers = _checked(computers, spaces, task, named=scores is not None)
    named = data or (own.source["data"] if own is not None and own.source else ASSUMED)
    scored = []
    with compute_threads(threads):
        for architecture in wanted:
            found = get_space(architecture.space)
            size = own.network if own is not None and own.architecture.space == architecture.space else None
            values = evaluate(
                computers, found, architecture, task, seed=seed, draws=draws, evaluation=size, compute=compute
            )
            means = {name: fmean(drawn) for name, drawn in values.items()}
            about = {"space": architecture.space, "architecture": str(architecture), "data": named}
            about["device"] = compute.name
            scored.append({**about, "scores": means, "draws": values})
    return scored


def score_many(
    scores: Sequence[str] | None = None,
    *,
    space: str = "nas-bench-201",
    everything: bool = False,
    sample: int | None = None,
    file: str | Path | None = None,
    architectures: Sequence[str | Path | Architecture] = (),
    data: str | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    draws: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    executor: str = "processes",
    ray_address: str | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    download: bool = False,
    progress: Progress | None = None,
    network: str | None = None,
) -> ScoreTable:
    """Score a whole space (``everything``), a random ``sample``, the lines of a ``file`` or given ``architectures``.

    The result does not depend on ``workers`` or on the ``executor`` (``processes`` of this machine, or ``ray``, at
    ``ray_address`` or on a cluster of its own). ``out`` is the parquet file to write; after a kill, ``resume``
    continues it. ``device``: ``cuda`` gives the workers this machine's GPUs in turn, ``cuda:N`` all of them that one;
    what is computed on a GPU may differ in the last digits, and a file says on which kind of device it was.
    ``network``: as of :func:`score`. ``space``: of texts, of random ones and of the lines of a file; given runs and
    files of architectures are of their own. Raises :class:`nascence.errors.NascenceError`, before anything is computed
    or written.
    """
    from nascence.benchmarks.streaming import Loaded, ScoreStream, check_out

    at_most(10_000, draws=draws)
    at_most(4_096, workers=workers)
    on = Workers.on(device, precision)
    where = _executor(executor, workers, ray_address, on)
    computers = _computers(USUAL if scores is None else scores, network)
    targets = [read_target(target, space) for target in architectures]
    own = common(targets, data)
    if len(found := {target.architecture.space for target in targets}) == 1:
        (space,) = found  # a run's own
    selection = _selection(space, everything, sample, file, [target.architecture for target in targets], seed)
    out = None if out is None else Path(out)
    if out is not None:
        check_out(out, resume)
    source, task = settled(source_of(own, data, data_dir, image_size), download)
    computers = _checked(computers, [get_space(space)], task, named=scores is not None)
    load = Loaded(task) if executor == "ray" else partial(load_source, source, False)
    stream = ScoreStream(
        space=get_space(space),
        selection=selection,
        scores=computers,
        load=load,
        seed=seed,
        draws=draws,
        evaluation=None if own is None else own.network,
        compute=on.compute,
        computed=on.entry(),
    )
    try:
        return stream.run(where, out=out, resume=resume, progress=progress, task=task)
    except (KeyboardInterrupt, Terminated) as stop:
        if out is None:
            raise
        number = signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT
        how = "; what was finished is kept"
        raise Interrupted(number, "the same command and --resume", how) from None


def _computers(names: Sequence[str], network: str | None) -> list[Score]:
    """The scores called ``names``, which look at networks of the size ``network`` where they look at one and there is
    one."""
    from nascence.scores import SCORES

    found = [SCORES.get(name) for name in parts_of(names)]
    looking = [kind for kind in found if network is not None and "network" in kind.__dataclass_fields__]
    if network is not None and not looking:
        raise SettingError(f"No network of a size of one's choice is looked at by {', '.join(names)}; leave it out.")
    return [kind.looking_at(network) for kind in found]


def _checked(scores: Sequence[Score], spaces: Sequence[Space], task: Task, *, named: bool) -> list[Score]:
    """``scores``, all of which can be computed; of those that nobody ``named`` the ones that can, with a note about the
    others. Raises :class:`SettingError` where one that was named, or each of the others, cannot."""
    from nascence.scores.applying import check

    for space in spaces:
        space.check_signature(task.signature)
    kept, refused = [], []
    for score in scores:
        try:
            for space in spaces:
                check(score, space, task)
            kept.append(score)
        except SettingError as reason:
            refused.append(reason)
    if refused and (named or not kept):
        raise refused[0]
    for why in refused:
        tell(f"Left out: {why}")
    return kept


def parts_of(names: Sequence[str]) -> list[str]:
    """The scores called ``names``, each once; in the place of a ranking, which is no number of one architecture, the
    scores that it adds up, with a word about it."""
    from nascence.scores import AGGREGATES, SCORES

    found: dict[str, None] = {}
    for name in names:
        if name in SCORES.names() or name not in AGGREGATES.names():
            found[name] = None
            continue
        parts = [part.score for part in AGGREGATES.get(name).parts]
        tell(f"'{name}' is a ranking: these are its parts, whose ranks 'nascence correlate' adds up.")
        found |= dict.fromkeys(parts)
    return list(found)


def _executor(name: str, workers: int, ray_address: str | None, on: Workers) -> WorkerPool:
    from nascence.engine.pool import LocalProcesses

    if name not in EXECUTORS:
        raise UnknownNameError("executor", name, EXECUTORS)
    if name == "ray":
        from nascence.engine.ray_pool import RayActors

        if on.device != "cpu" and (ray_address is not None or not on.gpus):
            raise SettingError(
                "Ray gives its workers the GPUs of a cluster that it starts here, with --device cuda; leave --device "
                "or --ray-address out."
            )
        return RayActors(workers, ray_address, on.gpus)
    if ray_address is not None:
        raise SettingError("An address of a Ray cluster needs --executor ray.")
    return LocalProcesses(workers, on.gpus)


def _selection(
    space: str,
    everything: bool,
    sample: int | None,
    file: str | Path | None,
    architectures: Sequence[Architecture],
    seed: int,
) -> Selection:
    from nascence.benchmarks.selections import Selection

    found = get_space(space)
    if sum((everything, sample is not None, file is not None, bool(architectures))) != 1:
        raise SettingError("Say what to score by one of --all, --sample N, --file FILE and architectures.")
    if everything:
        return Selection.all(found)
    if sample is not None:
        return Selection.sample(found, sample, seed)
    if file is not None:
        return Selection.file(found, Path(file))
    if any(one.space != architectures[0].space for one in architectures):
        raise ArchitectureError(
            f"Architectures of one space are scored together; these are of {architectures[0].space} and "
            f"{next(one.space for one in architectures if one.space != architectures[0].space)}."
        )
    return Selection.given(architectures)


__all__ = ["EXECUTORS", "score", "score_many"]
