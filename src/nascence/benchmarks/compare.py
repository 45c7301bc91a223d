"""Several methods over several seeds on one space, in one table, beside what nobody searched for.

Every entry is a folder ``<out>/<name>/seed-<seed>`` that ends with an ``entry.json``, written last and atomically, so
that a comparison that was killed continues where it was: entries that have one are not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from statistics import median
from typing import Any, cast, final

from pydantic import Field
from torch import nn

from nascence.architecture import Architecture
from nascence.benchmarks.reference_networks import plain_resnet
from nascence.benchmarks.statistics import Summary
from nascence.benchmarks.tables import Table
from nascence.costs import Budget, BudgetChecker, CostModel, flops, params
from nascence.engine.pool import LocalProcesses
from nascence.errors import ArchitectureError, RunError, SettingError, UnknownNameError
from nascence.reading import read_json
from nascence.runs import files
from nascence.schema import FileEntry, Name, Text
from nascence.seeding import derive_seed
from nascence.spaces import Space
from nascence.strategies.sampling import RandomSampling
from nascence.tasks.base import Signature

Search = Callable[[str, int, Path], None]
Train = Callable[[Architecture | nn.Module, int, Path], Mapping[str, float]]

RANDOM, LARGEST, RESNET, SAME_WIDTH = "random-architectures", "largest", "plain-resnet", "same-width"
_RESERVED = (RANDOM, LARGEST, RESNET, SAME_WIDTH)
_UNFINISHED_PLAN = "plan.json.partial"
"""What earlier versions left in the folder when they were ended before anything was computed."""


class _Plan(FileEntry):
    space: Name
    trained: bool
    settings: dict[str, Any]


class _Entry(FileEntry):
    name: Name
    seed: int
    architecture: Text | None
    measures: dict[Name, float]


class _Found(FileEntry):
    architecture: Text
    search_seconds: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What to compare, and with what.

    ``search(method, seed, directory)`` makes or continues a normal run in ``directory`` and leaves its
    ``architecture.json`` there. ``train(architecture or module, seed, directory)``, if given, trains it there and
    returns measures such as ``{"test_psnr": 29.1}``. With ``workers`` above one both must be importable functions
    (they are sent to other processes, each with one compute thread, which take ``gpus`` of this machine in turn).
    ``columns`` are looked up in ``table`` when
    everything is finished. ``settings`` is whatever else results depend on, as JSON values: a folder made with other
    settings is refused.

    Always beside the methods: one random architecture a seed (:func:`random_architecture`), and the architecture with
    the most parameters, both within ``budget``; with training also a plain ResNet of the median number of parameters
    that the methods found. ``same_width``: the architecture of a network of one's own with the same width everywhere,
    where one is within the budget.

    ``kept``: files that the folder keeps, by name, since there is no such space without them; ``reopen`` then finds the
    space in another process.
    """

    methods: Sequence[str]
    seeds: Sequence[int]
    model: CostModel
    search: Search
    out: Path
    train: Train | None = None
    table: Table | None = None
    columns: Sequence[str] = ()
    workers: int = 1
    gpus: int = 0
    budget: Budget = field(default_factory=Budget)
    settings: Mapping[str, Any] = field(default_factory=dict)
    same_width: Architecture | None = None
    kept: Mapping[str, bytes] = field(default_factory=dict)
    reopen: Callable[[], Space] | None = None

    def run(self) -> dict[str, Any]:
        """Compute what is missing, write ``comparison.json`` and ``comparison.md``, and return the former's content.

        Raises :class:`SettingError` on an empty or contradictory request before anything is computed, and
        :class:`RunError` when the folder is of another comparison or a worker process dies.
        """
        self._check()
        self._claim()
        self._keep()
        space = self.model.space
        tasks = [_Task(name, seed) for name in self.methods for seed in self.seeds]
        tasks += [
            _Task(RANDOM, seed, str(random_architecture(BudgetChecker(self.budget, self.model), seed)))
            for seed in self.seeds
        ]
        # An untrained architecture is the same whatever the seed: one entry is enough.
        fixed = self._largest() | ({} if self.same_width is None else {SAME_WIDTH: str(self.same_width)})
        once = self.seeds if self.train else self.seeds[:1]
        tasks += [_Task(name, seed, text) for name, text in fixed.items() for seed in once]
        self._compute(tasks)
        resnet = self.train is not None and self.model.networks.signature.classes  # it tells images apart
        if resnet:
            found = [self._entry(name, seed)["architecture"] for name in self.methods for seed in self.seeds]
            target = median(self.model.params(space.parse(text)) for text in found)
            resnets = [_Task(RESNET, seed, resnet_params=target) for seed in self.seeds]
            self._compute(resnets)
            tasks += resnets
        names = [*self.methods, RANDOM, *fixed, *([RESNET] if resnet else [])]
        result = {
            "space": space.name,
            "table": self.table.source.name if self.table else None,
            "seeds": list(self.seeds),
            "settings": dict(self.settings),
            "rows": [self._row(name, [task.seed for task in tasks if task.name == name]) for name in names],
        }
        with files.explained(self.out):
            files.write_json(self.out / "comparison.json", result)
            files.write_bytes(self.out / "comparison.md", markdown(result).encode())
        return result

    def _largest(self) -> dict[str, str]:
        """By its name the largest architecture within the budget; none where that is no sum over choices, since it
        would have to be searched for."""
        limits = self.budget.limits
        if limits and not self.model.adds_up("params"):
            return {}
        return {LARGEST: str(self.model.extreme("params", largest=True, limits=limits))}

    def _check(self) -> None:
        if not self.methods or not self.seeds:
            raise SettingError("A comparison needs at least one method and one seed.")
        if len(set(self.methods)) < len(self.methods) or len(set(self.seeds)) < len(self.seeds):
            raise SettingError("A comparison names every method and every seed once.")
        taken = [name for name in self.methods if name in _RESERVED]
        if taken:
            raise SettingError(f"'{taken[0]}' is always in the comparison; leave it out of the methods.")
        if self.workers < 1:
            raise SettingError(f"workers must be at least 1, not {self.workers}.")
        if self.columns and self.table is None:
            raise SettingError("Columns come from a table; name the table, too.")
        for column in self.columns:
            assert self.table is not None
            if column not in self.table.columns:
                raise UnknownNameError(f"column of {self.table.source.name}", column, self.table.columns)
        if self.table is not None and self.table.space.name != self.model.space.name:
            raise SettingError(
                f"The table {self.table.source.name} is about {self.table.space.name}, not {self.model.space.name}."
            )

    def _claim(self) -> None:
        """Make the folder this comparison's, or refuse it."""
        plan = {"space": self.model.space.name, "trained": self.train is not None, "settings": dict(self.settings)}
        path = self.out / "plan.json"
        with files.explained(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                files.remove_abandoned(path)  # of a comparison that was ended before it began
                names = {entry.name for entry in self.out.iterdir()}
                if names - {_UNFINISHED_PLAN}:
                    raise RunError(f"{self.out} holds something else; choose an empty folder for the comparison.")
                files.write_json(path, plan)
                (self.out / _UNFINISHED_PLAN).unlink(missing_ok=True)
            elif read_json(path, _Plan) != json.loads(json.dumps(files.finite(plan))):
                raise RunError(f"{self.out} is a comparison with other settings; choose another folder.")
            for name in (*self.methods, *_RESERVED):
                for folder in (self.out / name, *(self._directory(name, seed) for seed in self.seeds)):
                    if folder.is_symlink():
                        raise RunError(f"{folder} is a link, and nothing is written through links; remove it.")

    def _keep(self) -> None:
        with files.explained(self.out):
            for name, content in self.kept.items():
                if not (self.out / name).is_file():
                    files.write_bytes(self.out / name, content)

    def _compute(self, tasks: Iterable[_Task]) -> None:
        missing = [task for task in tasks if not (self._directory(task.name, task.seed) / "entry.json").exists()]
        space = self.reopen or partial(_itself, self.model.space)
        entries = _Entries(self.out, self.search, self.train, space, self.model.networks.signature)
        if self.workers == 1 or len(missing) < 2:
            for task in missing:
                entries()(task)
            return
        finished = LocalProcesses(self.workers, self.gpus).map(entries, missing)
        with closing(cast(Any, finished)):  # the workers end, whatever comes
            for _ in finished:
                pass

    def _directory(self, name: str, seed: int) -> Path:
        return _directory(self.out, name, seed)

    def _entry(self, name: str, seed: int) -> dict[str, Any]:
        path = self._directory(name, seed) / "entry.json"
        try:
            entry = read_json(path, _Entry)
            if entry["architecture"] is not None:
                try:
                    self.model.space.parse(entry["architecture"])
                except ArchitectureError as error:
                    raise RunError(f"{path} is damaged: {error}") from None
            return cast(dict[str, Any], entry)
        except RunError as error:
            remove = f"rm {'-r ' if path.is_dir() else ''}{quote(str(path))}"
            raise RunError(f"{error} To compute this entry again, type: {remove}") from None

    def _row(self, name: str, seeds: Sequence[int]) -> dict[str, Any]:
        entries = [self._entry(name, seed) for seed in seeds]
        values: dict[str, list[float]] = {}

        def add(measure: str, number: float) -> None:
            values.setdefault(measure, []).append(number)

        for entry in entries:
            for measure, number in entry["measures"].items():
                add(measure, number)
            if entry["architecture"] is not None:
                architecture = self.model.space.parse(entry["architecture"])
                add("params", self.model.params(architecture))
                add("flops", self.model.flops(architecture))
                for column in self.columns if self.table else ():
                    assert self.table is not None
                    add(column, self.table.value(architecture, column))
        return {
            "name": name,
            "architectures": [entry["architecture"] for entry in entries],
            "values": values,
            "summaries": {measure: Summary.of(numbers).to_dict() for measure, numbers in values.items()},
        }


def random_architecture(checker: BudgetChecker, seed: int) -> Architecture:
    """A comparison's random architecture of ``seed``, uniformly among those of the space within the budget.

    It depends on the space and the seed alone, whatever else is compared, on whatever data and at whatever network
    size: the first draw of the seed's own sequence or, under a budget, the first one within it.
    """
    sampling = RandomSampling(checker.model.space, checker, derive_seed(seed, "compare", RANDOM))
    sampling.advance()
    return sampling.derive()


@dataclass(frozen=True)
class _Task:
    """One entry: of a method, or of a given ``architecture``, or of a plain ResNet of ``resnet_params``."""

    name: str
    seed: int
    architecture: str | None = None
    resnet_params: float | None = None

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"


@final
@dataclass(frozen=True)
class _Entries:
    """Makes the function that computes one entry and writes it."""

    out: Path
    search: Search
    train: Train | None
    space: Callable[[], Space]
    signature: Signature

    def __call__(self) -> Callable[[_Task], None]:
        return partial(self._work, self.space())

    def _work(self, space: Space, task: _Task) -> None:
        directory = _directory(self.out, task.name, task.seed)
        text = task.architecture
        measures: dict[str, float] = {}
        subject: Architecture | nn.Module
        if task.resnet_params is not None:
            features, outputs = self.signature.features, self.signature.outputs
            subject = plain_resnet(task.resnet_params, features, outputs, seed=task.seed)
            measures = {"params": params(subject), "flops": flops(subject, self.signature)}
        else:
            if text is None:
                self.search(task.name, task.seed, directory)
                content = read_json(directory / "architecture.json", _Found, what="the result of the search,")
                text = str(content["architecture"])
                if content.get("search_seconds") is not None:
                    measures["search_seconds"] = content["search_seconds"]
            subject = space.parse(text)
        directory.mkdir(parents=True, exist_ok=True)
        if self.train is not None:
            measures |= {name: float(value) for name, value in self.train(subject, task.seed, directory).items()}
        entry = {"name": task.name, "seed": task.seed, "architecture": text, "measures": measures}
        with files.explained(directory / "entry.json"):
            files.write_json(directory / "entry.json", entry)


def _itself(space: Space) -> Space:
    return space


def _directory(out: Path, name: str, seed: int) -> Path:
    return out / name / f"seed-{seed}"


def markdown(result: Mapping[str, Any]) -> str:
    """The comparison as a markdown table: mean +- standard deviation over seeds, and the range, of every measure."""
    measures = list(dict.fromkeys(measure for row in result["rows"] for measure in row["summaries"]))
    last = [name for name in ("params", "flops", "search_seconds") if name in measures]
    measures = [name for name in measures if name not in last] + last
    lines = ["| | seeds | " + " | ".join(measures) + " |", "|---" * (len(measures) + 2) + "|"]
    for row in result["rows"]:
        cells = [_cell(row["summaries"].get(measure)) for measure in measures]
        lines.append(f"| {row['name']} | {len(row['architectures'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "-"
    if summary["std"] is None or summary["min"] == summary["max"]:
        return _number(summary["mean"])
    spread = f"{_number(summary['mean'])} ± {_number(summary['std'])}"
    return f"{spread} ({_number(summary['min'])} to {_number(summary['max'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


__all__ = ["LARGEST", "RANDOM", "RESNET", "SAME_WIDTH", "Comparison", "markdown", "random_architecture"]
