"""Random architectures of the same space and size, to see a found one against."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import fmean
from typing import Any

from nascence.architecture import Architecture
from nascence.configuration import from_json
from nascence.costs import CostModel
from nascence.errors import DataError, NascenceError
from nascence.reporting.contents import Contents
from nascence.scores import SCORES, evaluate
from nascence.seeding import generator
from nascence.spaces import Size, get_space
from nascence.tasks import ImageClassification, image_classes, load_task

SCORED = ("ntk-condition", "linear-regions")


def random_cloud(run: Contents, count: int = 200, score_seconds: float = 15.0, draws: int = 2) -> dict[str, Any] | None:
    """``{"seed", "draws", "found", "points"}``; a point is ``{"architecture", "params", "flops", "scores"}``.

    All ``count`` architectures, drawn from the run's seed, get params and FLOPs. Scores (means over ``draws`` draws,
    the same for all) are computed for the found one and then for as many as ``score_seconds`` allow. None where the run
    does not say its network and input. ``note`` says why scores are missing, all or one.
    """
    space, seed = get_space(run.architecture.space), int(run.record.get("seed") or 0)
    if run.signature is None or "network" not in run.record:
        return None
    network: Size = from_json(space.size_class, run.record["network"])
    model = CostModel(space, network, run.signature)
    drawn = [space.sample(generator(seed, "report", "cloud", at)) for at in range(count)]
    points = [_sizes(model, architecture) for architecture in (run.architecture, *dict.fromkeys(drawn))]
    note = _score(run, points, [run.architecture, *dict.fromkeys(drawn)], score_seconds, draws, seed)
    cloud = {"seed": seed, "draws": draws, "found": points[0], "points": points[1:]}
    return {**cloud, "note": note} if note else cloud


def _sizes(model: CostModel, architecture: Architecture) -> dict[str, Any]:
    sizes = {"params": model.params(architecture), "flops": model.flops(architecture)}
    return {"architecture": str(architecture), **sizes, "scores": {}}


def _score(
    run: Contents,
    points: list[dict[str, Any]],
    architectures: list[Architecture],
    seconds: float,
    draws: int,
    seed: int,
) -> str | None:
    """Fills in scores while there is time; returns why there are none, or None."""
    if seconds <= 0:
        return "Scores were not computed."
    try:
        task = _task(run)
    except NascenceError as error:  # an UnknownNameError, too, for a name in the data folder that is gone
        return f"Scores were not computed, since the data are not at hand: {error}"
    space, began = get_space(run.architecture.space), time.monotonic()
    computers = {name: SCORES.get(name)() for name in SCORED if name != "linear-regions" or "regions" in space.networks}
    condition = computers["ntk-condition"]  # of few images, a small kernel
    computers["ntk-condition"] = replace(condition, images=min(condition.images, len(task.train)))
    note = None
    for name in list(computers):  # images may be too small for a score, which leaves the others
        try:
            evaluate([computers[name]], space, architectures[0], task, seed=seed, draws=1)
        except DataError as error:
            del computers[name]
            note = f"{name} was not computed: {error}"
    for done, (point, architecture) in enumerate(zip(points, architectures, strict=True), start=1):
        values = evaluate(list(computers.values()), space, architecture, task, seed=seed, draws=draws)
        point["scores"] = {name: fmean(drawn) for name, drawn in values.items()}
        spent = time.monotonic() - began
        if spent * (done + 1) / done > seconds:
            break
    return note


def _task(run: Contents) -> ImageClassification:
    config = run.config
    read = config.get("loading") or {}
    task = load_task(
        config["data"],
        config.get("data_dir"),
        task=read.get("task"),
        settings=read.get("settings", {}),
        image_size=config.get("image_size"),
    )
    before = config.get("task")
    if isinstance(before, dict) and before.get("digest", task.describe().get("digest")) != task.describe().get(
        "digest"
    ):
        raise DataError(f"The data '{config['data']}' changed since the run began.")
    return image_classes(task, "Scoring")


__all__ = ["SCORED", "random_cloud"]
