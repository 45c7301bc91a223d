"""Runs that each version leaves behind, for all later ones to open, resume, train, export and report::

    PYTHONPATH=src OMP_NUM_THREADS=1 python tests/goldens/old_runs.py

writes ``runs/version-N``, N the version of the layout of run directories, and beside each run what becomes of it. Those
of earlier versions stay as they are: nobody can make them any more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from golden_records import arithmetic, record_of, written

import nascence
from nascence.runs import Interrupted, execution
from nascence.runs.directory import FORMAT

FOLDER = Path(__file__).parent / "runs"
NOWHERE = "/nowhere"
"""The folder of data that a run remembers; digits need none."""
COMMON: dict[str, Any] = {"data": "digits", "data_dir": NOWHERE, "threads": 1, "progress": False}
SIZE = {"channels": 2, "depth": 1}
LIGHT = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"
"""An architecture with few weights, and a supernet with few operations."""
DESCENT = {
    "epochs": 4,
    "exclude": "none,nor_conv_3x3",
    "stages": ("2:3:2", "2:2:1"),
    "warmup_epochs": 1,
    "batch_size": 8,
    **SIZE,
    "train_images": 16,
    "valid_images": 16,
    "check_images": 8,
    "architecture_learning_rate": 1.0,
}
FRONT = {"objectives": ("naswot", "params"), "population": 4, "generations": 2}


def make(folder: Path) -> None:
    """All runs, as they are left behind."""
    nascence.search("random", "nas-bench-201", seed=1, out=folder / "search", **SIZE, **COMMON)
    _stopped(3, lambda: _descend(folder / "stopped-search"))
    for name, stop in (("front", None), ("stopped-front", 2)):
        _stopped(stop, lambda name=name: _front(folder / name))  # type: ignore[misc]
    for name, stop in (("training", None), ("stopped-training", 1)):
        _stopped(stop, lambda name=name: _train(folder / name))  # type: ignore[misc]
    for path in folder.glob("*/.lock"):
        path.unlink()


def _descend(out: Path) -> None:
    nascence.search("drnas", "nas-bench-201", preset="paper", settings=DESCENT, out=out, **SIZE, **COMMON)


def _front(out: Path) -> None:
    nascence.search("evolution", "nas-bench-201", settings=FRONT, out=out, **SIZE, **COMMON)


def _train(out: Path) -> None:
    architecture = nascence.Architecture.from_string(LIGHT, "nas-bench-201")
    nascence.train(architecture, epochs=2, batch_size=256, out=out, **SIZE, **COMMON)


def _stopped(after: int | None, work: Callable[[], object]) -> None:
    """``work``, asked to stop as by the system while it writes its event number ``after`` (None: not at all)."""
    append, count = execution._append, 0

    def writing(log: Any, line: bytes) -> None:
        nonlocal count
        append(log, line)
        count += 1
        if count == after:
            os.kill(os.getpid(), signal.SIGTERM)

    with mock.patch.object(execution, "_append", writing):
        try:
            work()
        except Interrupted:
            assert after is not None
        else:
            assert after is None, "it was done before it could be stopped"


def go_on(run: Path) -> None:
    """What is done with a copy of each run: what was stopped is resumed, and every finished search is trained."""
    nascence.resume(run, progress=False)
    if not (run / "metrics.json").is_file():
        picked = {"pick": 0} if (run / "front.json").is_file() else {}
        nascence.train(run, epochs=1, batch_size=256, threads=1, progress=False, **picked)


def main() -> None:
    torch.set_num_threads(1)
    folder = FOLDER / f"version-{FORMAT}"
    if folder.exists():
        sys.exit(f"{folder} is there already; old runs are never made again.")
    make(folder)
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "run"
            shutil.copytree(run, copy)
            go_on(copy)
            (folder / f"{run.name}.json").write_text(written(record_of(copy)))
        size = sum(path.stat().st_size for path in run.iterdir())
        print(f"{run.name:20} {size / 1024:6.1f} KB")
    (folder / "arithmetic.json").write_text(json.dumps(arithmetic(), indent=2) + "\n")


if __name__ == "__main__":
    main()
