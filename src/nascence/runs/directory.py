"""A run directory: one execution's configuration, events, checkpoints and results, complete at every moment."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import nascence.reading as reading
from nascence.errors import RunError
from nascence.runs import files, leftovers, retraining

FORMAT = 2
"""Version of the layout: 2 since runs may be of other data than images with classes, and end in ensembles. A directory
of a higher one is refused, every lower one stays readable."""
LARGEST_EVENTS = 2**30
"""Bytes of an event file."""


@dataclass(frozen=True)
class RunStage:
    """A part of a run that is executed and resumed by itself, and the names of its two files."""

    name: str
    events: str
    checkpoint: str


SEARCH = RunStage("search", "events.jsonl", "checkpoint.pt")
TUNING = RunStage("tuning", "tuning.jsonl", "tuning.pt")
"""The beginning of a training, where one is asked for."""
TRAINING = RunStage("training", "training.jsonl", "training.pt")
STAGES = (SEARCH, TRAINING)


def metric_of(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """``name`` and ``unit`` of what a trained network is measured by, from its ``metrics.json``."""
    return metrics.get("metric") or {"name": "accuracy", "unit": "%"}  # earlier versions knew no other


@final
class RunDirectory:
    """``config.json``, per stage its events and checkpoint, then results (``architecture.json``, ``model.pt``, ...).

    Every file is written beside its place, flushed to the device and moved there, so that a reader, or a kill at any
    moment, finds the old file or the new one. Made by :meth:`create` and :meth:`open`.
    """

    def __init__(self, path: Path, config: dict[str, Any], *, part_of: Path | None = None) -> None:
        self.path = path
        self.config = config
        self._whole = part_of or path

    @classmethod
    def create(
        cls, path: str | Path, config: Mapping[str, Any], overwrite: bool = False, kept: Mapping[str, bytes] = {}
    ) -> RunDirectory:
        """A new run that holds ``config`` and the versions of everything. The directory appears with its config inside,
        and with the files ``kept``, by their names.

        Raises :class:`RunError` when something is at ``path`` already. With ``overwrite`` an existing run (only a run,
        and none that another process works on) makes way once the new one exists.
        """
        path = Path(path)
        check_new(path)
        full = {
            "format": FORMAT,
            "nascence": _version(),
            "python": platform.python_version(),
            "torch": importlib.metadata.version("torch"),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **config,
        }
        run = cls(path, json.loads(json.dumps(files.finite(full))))
        with files.explained(path):
            occupied = check_free(path, overwrite)
            path.parent.mkdir(parents=True, exist_ok=True)
            with leftovers.half_made(path) as fresh:
                files.write_json(fresh / "config.json", run.config)
                for name, content in kept.items():
                    files.write_bytes(fresh / name, content)
                if occupied:
                    with cls.open(path).locked():
                        leftovers.exchange(fresh, path)
                else:
                    os.rename(fresh, path)  # an empty directory may be there; the system replaces it in one move
                files.sync_directory(path.parent)
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """An existing run. Raises :class:`RunError` on a missing, foreign, damaged or newer one."""
        path = Path(path)
        if not path.is_dir():
            leftovers.recover(path)
        if not path.is_dir():
            raise RunError(f"There is no run directory {path}; 'nascence runs list' shows the runs there are.")
        if not (path / "config.json").is_file():
            raise RunError(f"{path} is no run directory: it has no config.json.")
        config = reading.read_json(path / "config.json")
        version = config.get("format") if isinstance(config, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or "nascence" not in config:
            raise RunError(f"{path} is no run directory of Nascence: its config.json was written by something else.")
        if version > FORMAT:
            raise RunError(
                f"{path} was written by a newer Nascence ({config['nascence']}, run format {version}; this one reads up"
                f" to {FORMAT}); update with: pip install --upgrade nascence"
            )
        if not isinstance(config.get("kind"), str):
            raise RunError(f"{path / 'config.json'} is damaged: it does not say what kind of run this is.")
        from nascence.runs.schemas import Config

        reading.check(config, Config, path / "config.json")
        if "model" in config:  # a network of somebody's own, which the run keeps
            from nascence.spaces.own.known import keep_known

            keep_known(path)
        if retraining.is_complete(path):  # a kill came before it had taken its place
            run = cls(path, config)
            with suppress(RunError), run.locked():
                return run
        return cls(path, config)

    def require(self, *names: str) -> None:
        """Raises :class:`RunError` when the configuration lacks one of ``names``."""
        missing = [name for name in names if name not in self.config]
        if missing:
            raise RunError(f"{self.path / 'config.json'} is damaged: it has no '{missing[0]}'.")

    def require_architecture(self) -> None:
        """Raises :class:`RunError` when the search is not finished."""
        if not self.has("architecture.json"):
            raise RunError(f"The search in {self.path} is not finished; continue it with: {self.resume_command}")

    @property
    def resume_command(self) -> str:
        return f"nascence runs resume {shlex.quote(str(self._whole))}"

    def update_config(self, **entries: Any) -> None:
        """Add or replace entries of ``config.json``."""
        config = {**self.config, **json.loads(json.dumps(files.finite(entries)))}
        with self.writing("config.json"):
            files.write_json(self.path / "config.json", config)
        self.config = config

    # Results ----------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def write_json(self, name: str, value: Any) -> None:
        """Raises :class:`RunError` when the device is full or not writable, with the command that continues."""
        with self.writing(name):
            files.write_json(self.path / name, value)

    def read_json(self, name: str, *needed: str) -> dict[str, Any]:
        """The object in a file of the run. Raises :class:`RunError` when it is damaged or lacks one of ``needed``."""
        value = files.read_json(self.path / name)
        if not isinstance(value, dict):
            raise RunError(f"{self.path / name} is damaged: expected a JSON object.")
        for entry in needed:
            if entry not in value:
                raise RunError(f"{self.path / name} is damaged: it has no '{entry}'.")
        return value

    def write_tensors(self, name: str, value: Any) -> None:
        """:meth:`write_json` for what ``torch.load(weights_only=True)`` reads."""
        with self.writing(name):
            files.write_tensors(self.path / name, value)

    def read_tensors(self, name: str) -> Any:
        return files.read_tensors(self.path / name)

    # Events -----------------------------------------------------------------------------------------------------

    def events(self, stage: RunStage = SEARCH) -> list[dict[str, Any]]:
        """The whole lines of a stage's event file; a torn last one is left out. Raises :class:`RunError`."""
        from nascence.runs.schemas import Event

        path = self.path / stage.events
        if not os.path.lexists(path):
            return []
        return list(reading.read_json_lines(path, Event, largest=LARGEST_EVENTS))

    def cut_events(self, stage: RunStage, count: int) -> None:
        """Keep the first ``count`` events. Raises :class:`RunError` when there are fewer."""
        path = self.path / stage.events
        lines = self._lines(stage)
        if len(lines) < count:
            raise RunError(
                f"{path} is damaged: {count} events were recorded, {len(lines)} are left; delete {stage.checkpoint}"
                " beside it to begin again."
            )
        if not path.exists() and count == 0:
            return
        content = b"".join(line + b"\n" for line in lines[:count])
        if path.is_symlink() or path.stat().st_size != len(content):
            with self.writing(stage.events):
                files.write_bytes(path, content)

    def _lines(self, stage: RunStage) -> list[bytes]:
        path = self.path / stage.events
        if not os.path.lexists(path):
            return []
        return reading.read_bytes(path, largest=LARGEST_EVENTS).split(b"\n")[:-1]

    # One process at a time ----------------------------------------------------------------------------------------

    @contextmanager
    def locked(self, patience: float = 0.5) -> Iterator[None]:
        """Work on this run alone. Raises :class:`RunError` when another process does; a killed one holds nothing.

        ``patience``: seconds to wait, since a look at the run from elsewhere (:attr:`busy`) holds it for an instant.
        """
        with files.explained(self.path):
            descriptor = files.open_growing(self.path / ".lock", os.O_RDWR)
        try:
            end = time.monotonic() + patience
            while not _try_lock(descriptor):
                if time.monotonic() >= end:
                    raise RunError(f"Another process is working on {self.path}; wait for it or stop it first.")
                time.sleep(0.02)
            leftovers.recover(self.path)
            for pattern in (".*.tmp", ".*.tmp.py", f"{retraining.FOLDER}/.*.tmp"):
                for leftover in self.path.glob(pattern):
                    files.remove_unless_locked(leftover)
            if retraining.is_complete(self.path):
                with self.writing("model.pt"):
                    retraining.take_place(self.path)
                self.config = files.read_json(self.path / "config.json")
            yield
        finally:
            os.close(descriptor)

    @property
    def busy(self) -> bool:
        """Whether a process is working on this run now."""
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Explain a failure to write the file ``name``, with the command that continues the run."""
        with files.explained(self.path / name, self.resume_command):
            yield


def _try_lock(descriptor: int) -> bool:
    import fcntl  # not on every system, so only where it is used

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _version() -> str:
    from nascence import __version__

    return __version__


def check_free(path: str | Path, overwrite: bool = False) -> bool:
    """Whether a run is at ``path`` that a new one may replace. Raises :class:`RunError` when one must not, or when
    anything else is there; only an empty directory may."""
    path = Path(path)
    check_new(path)
    leftovers.recover(path)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise RunError(f"{path} is in the way: it is no directory; choose another --out.")
    if not path.exists() or not any(path.iterdir()):
        return False
    if not overwrite or not (path / "config.json").is_file():
        raise RunError(_in_the_way(path))
    RunDirectory.open(path)
    return True


def check_new(path: Path) -> None:
    """Raises :class:`RunError` where no directory can be made or replaced: the root, and the folder one stands in."""
    whole = Path(os.path.abspath(path))
    here = Path.cwd()
    if not path.name or not whole.name or whole == here or whole in here.parents:
        raise RunError(f"No run can be made in {path}: it is the folder you are in, or above it; name one with --out.")


def _in_the_way(path: Path) -> str:
    if not (path / "config.json").is_file():
        return f"{path} is in the way: it is not empty and no run; choose another --out."
    return (
        f"There is a run in {path} already; continue it with 'nascence runs resume {shlex.quote(str(path))}', choose"
        " another --out, or replace it with --overwrite."
    )


__all__ = ["FORMAT", "SEARCH", "STAGES", "TRAINING", "RunDirectory", "RunStage", "check_free", "metric_of"]
