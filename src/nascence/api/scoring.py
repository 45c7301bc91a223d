"""Score: numbers for architectures, computed without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from nascence.api.inputs import compute_threads, data_source, load_source
from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import get_space


def score(
    architectures: Sequence[str | Path | Architecture] = (),
    scores: Sequence[str] = ("ntk-condition", "linear-regions"),
    *,
    space: str = "nas-bench-201",
    data: str = "digits",
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    random: int = 0,
    draws: int = 1,
    seed: int = 0,
    threads: int | None = None,
    download: bool = False,
) -> list[dict[str, Any]]:
    """``{"space", "architecture", "scores": {name: mean}, "draws": {name: values}}`` of every architecture.

    ``architectures``: texts of ``space``, run directories or ``architecture.json`` files; then ``random`` random ones.
    Each score is the mean over ``draws`` draws of weights and images, the same ones for all architectures. Raises
    :class:`nascence.errors.NascenceError`.
    """
    from nascence.scores import SCORES, evaluate

    if random < 0 or draws < 1:
        raise SettingError("The number of random architectures must be at least 0, that of draws at least 1.")
    wanted = [_read(target, space) for target in architectures]
    wanted += [get_space(space).sample(generator(seed, "random architecture", at)) for at in range(random)]
    if not wanted:
        raise SettingError("There is nothing to score; give architectures, or a number of random ones with --random.")
    if not scores:
        raise SettingError(f"Name at least one score: {', '.join(SCORES.names())}.")
    computers = [SCORES.get(name)() for name in dict.fromkeys(scores)]
    task = load_source(data_source(data, data_dir, image_size), download)
    scored = []
    with compute_threads(threads):
        for architecture in wanted:
            found = get_space(architecture.space)
            values = evaluate(computers, found, architecture, task, seed=seed, draws=draws)
            means = {name: fmean(drawn) for name, drawn in values.items()}
            scored.append(
                {"space": architecture.space, "architecture": str(architecture), "scores": means, "draws": values}
            )
    return scored


def _read(target: str | Path | Architecture, space: str) -> Architecture:
    if isinstance(target, Architecture):
        return target
    text = str(target)
    if isinstance(target, Path) or text.endswith(".json") or ("|" not in text and Path(text).is_dir()):
        path = Path(target)
        return Architecture.load(path / "architecture.json" if path.is_dir() else path)
    return Architecture.from_string(text, space)


__all__ = ["score"]
