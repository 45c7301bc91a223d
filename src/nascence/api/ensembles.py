"""Ensembles: in a file, trained member by member, and put together as one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from nascence.costs import CostModel
from nascence.engine.forked import parallel_map
from nascence.engine.threads import compute_threads
from nascence.errors import RunError
from nascence.runs import TRAINING, RunDirectory
from nascence.runs.retraining import MEMBERS, lost_members
from nascence.seeding import derive_seed
from nascence.strategies.found import Found
from nascence.tasks import Task
from nascence.tasks.loaders import loader_of
from nascence.training.ensemble import Ensemble, judge_ensemble

FOUND = "found.json"
_ABOUT = ("method", "space", "data", "data_dir", "image_size", "loading", "seed", "network", "task")

TrainOne = Callable[[RunDirectory, Task, bool | str], Any]
"""Brings the training in a run of its own to its end; tells progress under a title."""
LoadOne = Callable[[RunDirectory], nn.Module]
"""The network that was trained in a run."""


def describe_found(found: Found, model: CostModel) -> dict[str, Any]:
    """The content of ``found.json``: ``form``, the ``pick`` among the ``members``, and of each its index, architecture,
    params and flops."""
    rows = [
        {"index": at, **member.to_dict(), "values": {}, "params": model.params(member), "flops": model.flops(member)}
        for at, member in enumerate(found.members)
    ]
    return {"form": found.form, "pick": found.pick, "members": rows}


def members_to_train(run: RunDirectory, current: RunDirectory | None = None) -> list[dict[str, Any]] | None:
    """The members of a run's ensemble; None where it has none, or where the training in ``current`` (the run's own, if
    None) is of one of them."""
    if not run.has(FOUND) or "architecture" in (current or run).config.get(TRAINING.name, {}):
        return None
    return run.read_json(FOUND, "members")["members"]


def train_members(
    run: RunDirectory,
    members: list[dict[str, Any]],
    task: Task,
    progress: bool | str,
    train_one: TrainOne,
    load_one: LoadOne,
) -> dict[str, Any]:
    """Train what is left to train, each member in a run of its own below ``run``, and return the content of the
    ensemble's ``metrics.json``.

    Every member is trained on one thread, from a seed of its own; as many at once as PyTorch is allowed threads.
    """
    runs = [_member_run(run, at, row) for at, row in enumerate(members)]
    left = [at for at, each in enumerate(runs) if not _trained(each)]
    threads = torch.get_num_threads()

    def work(at: int, shown: bool | str = False) -> None:
        with runs[at].locked():
            train_one(runs[at], task, shown)

    if min(threads, len(left)) > 1:
        parallel_map(work, left)
    else:
        for at in left:
            with compute_threads(1):
                work(at, f"member {at + 1} of {len(runs)}, training on {task.name}" if progress else False)
    return _metrics(run, task, members, runs, load_one)


def load_ensemble(run: RunDirectory, members: list[dict[str, Any]], load_one: LoadOne) -> Ensemble:
    """The trained members as one network, in evaluation mode. Raises :class:`RunError` where one is missing."""
    missing = lost_members(run)
    if missing:
        told = f"member {missing[0]}" if len(missing) == 1 else f"members {', '.join(map(str, missing))}"
        raise RunError(
            f"Of the {len(members)} networks of the ensemble in {run.path}, {told} of {MEMBERS}/ cannot be found; train"
            f" what is missing anew with: {run.resume_command}"
        )
    loader, _ = loader_of(run.config)
    runs = [RunDirectory.open(_place(run, at)) for at in range(len(members))]
    ensemble = Ensemble([load_one(each) for each in runs], loader.combine)
    ensemble.eval()
    return ensemble


def _trained(run: RunDirectory) -> bool:
    return run.has("metrics.json") and run.has("model.pt")


def _place(run: RunDirectory, at: int) -> Any:
    return run.path / MEMBERS / str(at)


def _member_run(run: RunDirectory, at: int, row: Mapping[str, Any]) -> RunDirectory:
    """The run of a member: the one that is there, if it is of this training, else a new one."""
    entry = run.config[TRAINING.name]
    seed = derive_seed(entry["seed"], "member", at)
    config = {
        "kind": TRAINING.name,
        **{name: run.config[name] for name in _ABOUT if name in run.config},
        "architecture": row["architecture"],
        TRAINING.name: {**entry, "seed": seed, "threads": 1},
    }
    path = _place(run, at)
    for place in (path.parent, path):
        if place.is_symlink():
            raise RunError(f"{place} is a link, which nothing is written through; remove it, and train again.")
    if (path / "config.json").is_file():
        there = RunDirectory.open(path)
        lost = there.has("metrics.json") and not there.has("model.pt")
        if not lost and all(there.config.get(name) == value for name, value in config.items()):
            return there
    path.parent.mkdir(exist_ok=True)
    return RunDirectory.create(path, config, overwrite=True)


def _metrics(
    run: RunDirectory, task: Task, members: list[dict[str, Any]], runs: list[RunDirectory], load_one: LoadOne
) -> dict[str, Any]:
    models = [load_one(each) for each in runs]
    evaluation, together = judge_ensemble(models, task.part("test"), task)
    about = together.pop("members", [{}] * len(models))
    own = [each.read_json("metrics.json") for each in runs]
    metric, examples = task.metric.name, task.examples
    rate = f"{examples}_per_second"
    return {
        **task.report(evaluation.measures),
        "loss": evaluation.loss,
        **together,
        "metric": vars(task.metric),
        "examples": examples,
        f"test_{examples}": len(task.part("test")),
        "epochs": max(each["epochs"] for each in own),
        "seconds": round(sum(each["seconds"] for each in own), 3),
        rate: sum(each[rate] for each in own) / len(own),
        "params": sum(row["params"] for row in members),
        "flops": sum(row["flops"] for row in members),
        "members": [
            {**{name: row[name] for name in ("index", "architecture", "params", "flops")}, metric: each[metric], **more}
            for row, each, more in zip(members, own, about, strict=True)
        ],
        "training": run.config[TRAINING.name],
    }


__all__ = ["FOUND", "describe_found", "load_ensemble", "members_to_train", "train_members"]
