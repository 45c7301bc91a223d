"""Attack: how robust the trained network of a run is against small changes of its images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from nascence.api.computing import chosen
from nascence.api.inputs import reload_task
from nascence.api.training import load_model
from nascence.attacks import ATTACKS, Attack
from nascence.attacks.eps import read_eps, told_eps
from nascence.attacks.masking import look_for_masking
from nascence.attacks.robustness import Robustness, robustness
from nascence.configuration import MOST, at_most
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError
from nascence.reporting.report import renew_report
from nascence.runs import RunDirectory, named_progress
from nascence.seeding import generator
from nascence.tasks.base import Batch, Task

FILE = "attacks.json"
_LOOKED_AT = 200
"""Images on which masked gradients are looked for."""


def attack(
    run: str | Path | RunDirectory,
    attacks: str | Sequence[str] = ("fgsm", "pgd", "apgd"),
    eps: str | float | Sequence[str | float] = "8/255",
    *,
    images: int = 1000,
    steps: int | None = None,
    restarts: int = 1,
    batch_size: int = 128,
    seed: int = 0,
    threads: int | None = None,
    device: str = "cpu",
    progress: bool | str = True,
) -> dict[str, Any]:
    """Attack the network trained in ``run`` on random test images; the result is also the run's ``attacks.json``.

    ``attacks``: names of :data:`nascence.attacks.ATTACKS`. ``eps``: radii in the units of pixels of range 0 to 1, such
    as ``8/255``. ``images``: of the test part, drawn by ``seed``; fewer where there are fewer. ``steps``: of attacks
    that take several; None for their own. ``restarts``: attempts from random points; an image counts as right where all
    of them failed. ``device``: where the network and its attackers compute; what they draw is drawn on the CPU.

    The result: ``attacks``, one entry a radius and attack (also ``none``, and ``all`` for the worst of several) with
    ``accuracy`` in percent and its standard ``error``; ``masking``: whether gradients seem to be masked, at the largest
    radius. Raises :class:`RunError` when nothing is trained yet, :class:`SettingError` for what is no radius, no
    number, or where the run's task is not to tell images apart, :class:`UnknownNameError` for the attacks.
    """
    compute, kinds = chosen(device), _attacks(attacks, steps)
    several = [eps] if isinstance(eps, float | int) else eps.split(",") if isinstance(eps, str) else list(eps)
    radii = sorted({read_eps(each) for each in several})
    for name, value, least in (("images", images, 1), ("restarts", restarts, 1), ("batch_size", batch_size, 1)):
        if value < least:
            raise SettingError(f"The number of {name.replace('_', ' ')} must be at least {least}, not {value}.")
    at_most(MOST, restarts=restarts, batch_size=batch_size, steps=steps)
    run = run if isinstance(run, RunDirectory) else RunDirectory.open(run)
    model = compute.place(load_model(run))
    with compute_threads(threads if threads is not None else run.config.get("threads")), run.locked():
        task = reload_task(run)
        task.box()
        began = time.perf_counter()
        batches = compute.place(_drawn(task, images, batch_size, seed))
        shown = named_progress(progress, f"attacking {run.path.name}", "attacks", (task.metric.name,))
        total = 1 + len(radii) * (len(kinds) + (len(kinds) > 1))

        def told(done: int, latest: Robustness) -> None:
            if shown is not None:
                shown.update(total, done, {task.metric.name: latest.percent})

        if shown is not None:
            shown.begin(total, 0)
        try:
            found = robustness(model, task, batches, kinds, radii, restarts=restarts, seed=seed, told=told)
            few = compute.place(_drawn(task, min(images, _LOOKED_AT), batch_size, seed))
            masking = look_for_masking(model, task, few, radii[-1], seed=seed)
        finally:
            if shown is not None:
                shown.end()
        result: dict[str, Any] = {
            "attacks": [{**each.to_dict(), "radius": told_eps(each.eps)} for each in found],
            "masking": None if masking is None else masking.to_dict(),
            "masking_eps": radii[-1],
            "settings": {each.name: asdict(each) for each in kinds},  # type: ignore[call-overload]
            "restarts": restarts,
            "seed": seed,
            "device": compute.name,
            "seconds": round(time.perf_counter() - began, 3),
        }
        run.write_json(FILE, result)
    renew_report(run.path)
    return result


def _attacks(names: str | Sequence[str], steps: int | None) -> list[Attack]:
    listed = [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]
    kinds = [ATTACKS.get(name) for name in dict.fromkeys(name for name in listed if name)]
    if not kinds:
        raise SettingError(f"Name one attack or more, separated by commas: {', '.join(ATTACKS.names())}.")
    taking = [kind for kind in kinds if any(field.name == "steps" for field in fields(kind))]
    if steps is not None and not taking:
        raise SettingError(f"Of {', '.join(kind.name for kind in kinds)} none takes several steps; leave --steps out.")
    return [kind(steps=steps) if steps is not None and kind in taking else kind() for kind in kinds]


def _drawn(task: Task, images: int, batch_size: int, seed: int) -> list[Batch]:
    """So many random test examples, in batches."""
    part = task.part("test")
    chosen = torch.zeros(len(part), dtype=torch.bool)
    chosen[torch.randperm(len(part), generator=generator(seed, "attack", "images"))[:images]] = True
    inputs, targets, first = [], [], 0
    for batch in part.passing(256):
        at = chosen[first : first + len(batch.target)]
        first += len(batch.target)
        inputs.append(batch.inputs[0][at])
        targets.append(batch.target[at])
    pairs = zip(torch.cat(inputs).split(batch_size), torch.cat(targets).split(batch_size), strict=True)
    return [Batch((x_BCHW,), y_B) for x_BCHW, y_B in pairs]


__all__ = ["FILE", "attack"]
