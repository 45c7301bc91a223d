"""Scores of many architectures: a stream that survives kills and gives the same file however it is computed."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import torch

from nascence.architecture import Architecture
from nascence.benchmarks.scores_file import DRAW, FORMAT, STD, ScoreTable, check_format, differences, read_scores
from nascence.benchmarks.selections import Selection
from nascence.configuration import to_json
from nascence.engine.compute import Compute
from nascence.engine.pool import Inline, WorkerPool
from nascence.errors import RunError, SettingError
from nascence.runs.journal import Journal
from nascence.scores import Score, evaluate
from nascence.spaces import NetworkConfig, Space
from nascence.tasks import ImageClassification, Task

Values = dict[str, list[float]]


class Listener(Protocol):
    """Told how many evaluations are done (sizes apart), as :class:`nascence.runs.progress.Progress` wants it."""

    def begin(self, total: int, done: int) -> None: ...

    def update(self, total: int, done: int, event: Mapping[str, Any]) -> None: ...

    def end(self) -> None: ...


@final
@dataclass(frozen=True, kw_only=True)
class ScoreStream:
    """What to score, and everything that the numbers depend on.

    ``load`` gives the task, once in every worker; like the scores and the space it must be picklable. Each value is the
    mean over ``draws`` draws of weights and images, which follow from ``seed`` and the number of the draw alone: the
    result does not depend on workers, their number or their kind. ``evaluation``: the size of the networks to be
    trained, None for the space's own. ``compute``: says in every worker where it computes, ``computed`` what a file
    remembers of that, nothing for the CPU.

    Architectures that compute the same function (:meth:`Space.canonical`) are scored once. Scores without randomness,
    such as the number of parameters, belong to the architecture as written and are computed for each.
    """

    space: Space
    selection: Selection
    scores: Sequence[Score]
    load: Callable[[], Task]
    seed: int = 0
    draws: int = 1
    evaluation: NetworkConfig | None = None
    compute: Callable[[], Compute] = Compute
    computed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise SettingError(f"The number of draws must be at least 1, got {self.draws}.")
        if not self.scores:
            raise SettingError("Name at least one score.")
        names = [score.name for score in self.scores]
        if len(set(names)) < len(names):
            raise SettingError(f"Name every score once; got {', '.join(names)}.")

    def settings(self, task: Task) -> dict[str, Any]:
        """What a scores file remembers."""
        from nascence.version import __version__

        settings = {
            "format": FORMAT,
            "space": self.space.name,
            "scores": {
                score.name: {"larger_is_better": score.larger_is_better, **dataclasses.asdict(score)}
                for score in self.scores
            },
            "data": _data(task),
            "seed": self.seed,
            "draws": self.draws,
            **({} if self.evaluation is None else {"network": to_json(self.evaluation)}),
            **self.computed,
            "architectures": self.selection.to_json(),
            "versions": {
                "nascence": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }
        return json.loads(json.dumps(settings))  # as it will come back from a file

    def run(
        self,
        executor: WorkerPool | None = None,
        *,
        out: Path | None = None,
        resume: bool = False,
        progress: Listener | None = None,
        task: Task | None = None,
    ) -> ScoreTable:
        """Compute what is missing, and write ``out``. ``task``: what ``load`` gives, if it is there already.

        Until it is finished, results stand in the journal ``out`` + ``.part``; a kill at any moment loses at most what
        workers were computing. Raises :class:`RunError` when ``out`` or its journal exists and ``resume`` is False,
        when it was made with other settings (listing them), or cannot be written.
        """
        if out is not None:
            check_out(out, resume)
        settings = self.settings(task or self.load())
        executor = executor or Inline()
        if out is None:
            return self._table(settings, self._compute(executor, {}, lambda key, values: None, progress))
        part = out.with_name(out.name + ".part")
        finished = self._finished(out, part, settings)
        if finished is not None:
            return finished
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with Journal(part) as journal:
                if journal.header is None:
                    journal.append(settings)
                self._same(part, journal.header, settings)
                values = dict(_finished(part, record) for record in journal.records)
                values = self._compute(executor, values, lambda key, found: journal.append([key, found]), progress)
                table = self._table(settings, values)
                table.write(out)
                part.unlink()
        except OSError as error:
            raise RunError(
                f"Cannot write {error.filename or part}: {error.strerror or error}; what was finished is kept."
            ) from None
        return table

    def _finished(self, out: Path, part: Path, settings: Mapping[str, Any]) -> ScoreTable | None:
        """The finished table, if there is one already."""
        if not out.exists():
            return None
        table = read_scores(out)
        self._same(out, table.settings, settings)
        part.unlink(missing_ok=True)  # killed between writing the file and removing its journal
        return table

    @staticmethod
    def _same(path: Path, kept: Any, asked: Mapping[str, Any]) -> None:
        if not isinstance(kept, dict):
            raise RunError(f"{path} is no journal of scores; choose another --out.")
        check_format(path, kept)
        data = kept.get("data")
        if isinstance(data, dict) and "digest" not in data:  # by an earlier version
            asked = {**asked, "data": {name: value for name, value in asked["data"].items() if name != "digest"}}
        found = differences(kept, asked)
        if found:
            raise RunError(
                f"{path} was made with other settings ({'; '.join(found)}); repeat those, or choose another --out."
            )

    def _compute(
        self, executor: WorkerPool, values: dict[str, Values], keep: Callable[[str, Values], None], progress: Any
    ) -> dict[str, Values]:
        """The values of all items by key, those in ``values`` taken as they are."""
        items = {_key(kind, answers): (kind, answers) for kind, answers in self._items()}
        missing = [key for key in items if key not in values]
        values = {key: found for key, found in values.items() if key in items}
        work = _Work(self.space, tuple(self.scores), self.load, self.seed, self.draws, self.evaluation, self.compute)
        long = any(random for random, _ in items.values())
        counted = {key for key, (random, _) in items.items() if random == long}  # sizes take no time
        done = len(counted & values.keys())
        if progress is not None:
            progress.begin(len(counted), done)
        try:
            if missing:
                for at, found in executor.map(work, [items[key] for key in missing]):
                    keep(missing[at], found)
                    values[missing[at]] = found
                    done += missing[at] in counted
                    if progress is not None:
                        progress.update(len(counted), done, {})
        finally:
            if progress is not None:
                progress.end()
        return values

    def _items(self) -> list[tuple[bool, tuple[str, ...]]]:
        """``(random, answers)``: which scores to compute of which architecture."""
        kinds = {score.random for score in self.scores}
        found: list[tuple[bool, tuple[str, ...]]] = []
        if False in kinds:
            found += [(False, architecture.answers) for architecture in self.selection.architectures]
        if True in kinds:
            distinct = dict.fromkeys(self.space.canonical(one) for one in self.selection.architectures)
            found += [(True, architecture.answers) for architecture in distinct]
        return found

    def _table(self, settings: Mapping[str, Any], values: Mapping[str, Values]) -> ScoreTable:
        columns: dict[str, Any] = {}
        asked = self.selection.architectures
        keys = {
            True: [_key(True, self.space.canonical(one).answers) for one in asked],
            False: [_key(False, one.answers) for one in asked],
        }
        for score in self.scores:
            found = {key: values[key][score.name] for key in dict.fromkeys(keys[score.random])}
            pairs = {key: _summary(score, draws) for key, draws in found.items()}
            rows = np.array([pairs[key] for key in keys[score.random]], dtype=np.float64).reshape(-1, 2)
            columns[score.name] = rows[:, 0]
            if self.draws > 1:
                columns[score.name + STD] = rows[:, 1]
            if self.draws > 1 and score.random:
                single = np.array([found[key] for key in keys[True]], dtype=np.float64)
                columns |= {f"{score.name}{DRAW}{draw}": single[:, draw] for draw in range(self.draws)}
        return ScoreTable(settings, [self.space.format(one) for one in asked], columns)


def _data(task: Task) -> dict[str, Any]:
    """What a file remembers of the data."""
    if not isinstance(task, ImageClassification):
        return {"name": task.name, **task.describe()}
    height, width = task.image_size
    return {
        "name": task.name,
        "classes": task.num_classes,
        "shape": [task.in_channels, height, width],
        "images": len(task.train),
        "mean": list(task.mean),
        "std": list(task.std),
        **({"digest": task.digest} if task.digest else {}),
    }


def _finished(path: Path, record: Any) -> tuple[str, Values]:
    """A record of the journal. Raises :class:`RunError` when it is something else."""
    match record:
        case [str() as key, dict() as values] if all(_numbers(drawn) for drawn in values.values()):
            return key, values
    raise RunError(f"{path} is no journal of scores; choose another --out.")


def _numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) in (int, float) for value in values)


def _key(random: bool, answers: tuple[str, ...]) -> str:
    return ("" if random else "=") + "\t".join(answers)


def _summary(score: Score, values: list[float]) -> tuple[float, float]:
    """Mean and sample standard deviation over draws; one draw that is not finite makes the whole the score's worst."""
    if not all(math.isfinite(value) for value in values):
        return (values[0] if len(values) == 1 else score.worst), math.nan
    array = np.asarray(values)
    return float(array.mean()), float(array.std(ddof=1)) if len(values) > 1 else 0.0


def check_out(out: Path, resume: bool) -> None:
    """Raises :class:`RunError` when ``out`` may not be written."""
    if out.suffix != ".parquet":
        meant = out.with_suffix(".parquet") if out.name else out / "scores.parquet"
        raise RunError(f"Scores are written as parquet; expected --out {meant}, not {out}.")
    for path in (out, out.with_name(out.name + ".part")):
        if path.exists() and not resume:
            raise RunError(f"{path} exists; add --resume to continue it, or choose another --out.")


@final
@dataclass(frozen=True)
class _Work:
    """Makes a worker's function: from ``(random, answers)`` to every such score's values at all draws."""

    space: Space
    scores: tuple[Score, ...]
    load: Callable[[], Task]
    seed: int
    draws: int
    evaluation: NetworkConfig | None = None
    compute: Callable[[], Compute] = Compute

    def __call__(self) -> Callable[[tuple[bool, tuple[str, ...]]], Values]:
        compute, task = self.compute(), self.load()
        task = task if compute.on_cpu else task.on(compute.device)

        def work(item: tuple[bool, tuple[str, ...]]) -> Values:
            random, answers = item
            scores = [score for score in self.scores if score.random == random]
            architecture = Architecture(self.space.name, answers)
            draws = self.draws if random else 1
            how: dict[str, Any] = {"seed": self.seed, "evaluation": self.evaluation, "compute": compute}
            return evaluate(scores, self.space, architecture, task, draws=draws, **how)

        return work


@final
@dataclass(frozen=True)
class Loaded:
    """A task that travels to the workers, instead of the way to load it: for machines that do not have its files."""

    task: Task

    def __call__(self) -> Task:
        return self.task


__all__ = ["Listener", "Loaded", "ScoreStream", "check_out"]
