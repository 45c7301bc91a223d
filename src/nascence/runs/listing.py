"""Which runs there are, how far each is, and removing one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from nascence.errors import RunError
from nascence.runs import files, leftovers, retraining
from nascence.runs.directory import SEARCH, STAGES, TRAINING, TUNING, RunDirectory, check_new, metric_of
from nascence.runs.execution import read_checkpoint

USUAL = Path("runs")
"""Where runs go that were not told where."""
_DEPTH = 3
_KNOWN = ("method", "space", "data", "seed", "created")


def list_runs(root: str | Path = USUAL) -> list[dict[str, Any]]:
    """One :func:`summary` for each run at or up to three levels below ``root``, in the order of their paths.

    A damaged or newer run is listed with ``state`` "unreadable" and ``problem``. Raises :class:`RunError` when ``root``
    is no directory; the usual place may be missing as long as nothing was run.
    """
    root = Path(root)
    if root == USUAL and not root.exists():
        return []
    if not root.is_dir():
        raise RunError(f"There is no directory {root}; 'nascence search' puts runs into ./runs unless told otherwise.")
    summaries = []
    for path in sorted(_runs(root)):
        try:
            summaries.append(summary(RunDirectory.open(path)))
        except RunError as error:
            summaries.append({"run": str(path), "state": "unreadable", "problem": str(error)})
    return summaries


def _runs(root: Path) -> Iterator[Path]:
    """Every folder with a ``config.json`` at or up to three levels below ``root``, hidden and unreadable ones apart."""
    level = [root]
    for _ in range(_DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            for moved in leftovers.moved_aside(folder):
                leftovers.recover(moved)
            with suppress(OSError):
                if (folder / "config.json").is_file():
                    yield folder
                below += [Path(entry.path) for entry in os.scandir(folder) if _is_visible_folder(entry)]
        level = below


def _is_visible_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return not entry.name.startswith(".") and entry.is_dir()
    return False


def summary(run: RunDirectory) -> dict[str, Any]:
    """``run`` (path), ``kind``, what it is about, ``state`` (running, stopped, finished), ``steps_done`` and
    ``total_steps`` of the stage that is under way or was the last, and the result as far as there is one."""
    facts: dict[str, Any] = {"run": str(run.path), "kind": run.config["kind"]}
    facts |= {name: run.config[name] for name in _KNOWN if name in run.config}
    unfinished = unfinished_stages(run)
    facts["state"] = "running" if run.busy else "stopped" if unfinished else "finished"
    again = retraining.begun(run)
    holders = {SEARCH: run, TUNING: again or run, TRAINING: again or run}
    begun = [stage for stage in STAGES if holders[stage].has(stage.checkpoint)]
    stage = next((stage for stage in STAGES if stage.name in unfinished), begun[-1] if begun else None)
    if stage is TRAINING and stage not in begun and holders[TUNING].has(TUNING.checkpoint):
        stage, begun = TUNING, [*begun, TUNING]
    if stage is not None:
        facts |= {"stage": stage.name, "steps_done": 0, "total_steps": None}
    if stage in begun:
        saved = read_checkpoint(holders[stage], stage)
        facts |= {"steps_done": saved["steps_done"], "total_steps": saved["total_steps"]}
    if run.has("architecture.json"):
        facts["architecture"] = run.read_json("architecture.json").get("architecture")
    if run.has("metrics.json"):
        metrics = run.read_json("metrics.json")
        metric = metric_of(metrics)
        if metric["name"] in metrics:
            facts["result"] = {"metric": metric["name"], "value": metrics[metric["name"]], "unit": metric["unit"]}
            facts[metric["name"]] = metrics[metric["name"]]
    return facts


def unfinished_stages(run: RunDirectory) -> list[str]:
    """Names of the stages that were asked for and have no result yet, in their order; training is one of them where a
    member of an ensemble has been lost."""
    wanted = []
    if run.config["kind"] == SEARCH.name and not run.has("architecture.json"):
        wanted.append(SEARCH.name)
    begun = retraining.begun(run) is not None or (TRAINING.name in run.config and not run.has("metrics.json"))
    if begun or retraining.lost_members(run):
        wanted.append(TRAINING.name)
    return wanted


def delete_run(path: str | Path) -> None:
    """Remove a run with everything in it. Raises :class:`RunError` when it is no run, a link to one, the folder one
    stands in, or a process works on it."""
    run = RunDirectory.open(path)
    if run.path.is_symlink():
        target = Path(os.path.realpath(run.path))
        raise RunError(f"{path} is a link; to delete the run itself, type: nascence runs delete {quote(str(target))}")
    check_new(run.path)
    with run.locked(), files.explained(run.path):
        aside = leftovers.put_aside(run.path)  # gone in one move, whatever happens while its files are removed
    shutil.rmtree(aside, ignore_errors=True)


__all__ = ["USUAL", "delete_run", "list_runs", "summary", "unfinished_stages"]
