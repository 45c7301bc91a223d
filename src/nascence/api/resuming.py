"""Continue whatever a run directory began."""

from __future__ import annotations

from pathlib import Path

from nascence.api.searching import continue_search
from nascence.api.training import continue_training
from nascence.errors import RunError
from nascence.runs import SEARCH, TRAINING, RunDirectory, unfinished_stages


def resume(path: str | Path, *, progress: bool | str = True, device: str | None = None) -> list[str]:
    """Bring a run to its end from its directory alone; returns the names of the stages that were continued.

    A stopped search ends with the architecture that an undisturbed one finds; a training that was begun in the same
    directory follows. ``device``: another one than it was begun on. An empty list means that the run was finished.
    Raises :class:`RunError`.
    """
    run = RunDirectory.open(path)
    stages = unfinished_stages(run)
    if run.config["kind"] not in (SEARCH.name, TRAINING.name):
        raise RunError(f"{run.path} is a run of kind '{run.config['kind']}', which cannot be resumed.")
    with run.locked():
        for stage in stages:
            if stage == SEARCH.name:
                continue_search(run, progress, device)
            else:
                continue_training(run, progress, device)
    return stages


__all__ = ["resume"]
