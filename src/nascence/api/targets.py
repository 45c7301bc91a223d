"""What a user points at: an architecture, and what its run says of the data and of the network's size."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from nascence.api.inputs import data_source, described_signature, network_size, reload_task, settled, sized
from nascence.architecture import Architecture
from nascence.configuration import from_json
from nascence.errors import RunError, SettingError
from nascence.runs import RunDirectory, files
from nascence.spaces import Size, get_space
from nascence.spaces.own.known import keep_known
from nascence.tasks import Task
from nascence.tasks.base import Signature

ASSUMED = "digits"
"""The data where nothing names any."""
_LARGEST = 2**20
"""More channels, pixels a side or classes than this in a record are damage."""


@final
@dataclass(frozen=True)
class Target:
    """An architecture, and what its run or its file says beside it; None for what is not said.

    ``run``: the run it comes from; ``source``: what :func:`nascence.api.inputs.load_source` takes; ``network``: the
    size of the network to be trained; ``signature``: of the data.
    """

    architecture: Architecture
    run: RunDirectory | None = None
    source: Mapping[str, Any] | None = None
    network: Size | None = None
    signature: Signature | None = None


def read_target(target: str | Path | Architecture | RunDirectory | object, space: str) -> Target:
    """A run directory (or the result of a search or training, which has one), an ``architecture.json``, an
    :class:`Architecture`, or a text of ``space``. Raises :class:`nascence.errors.NascenceError`."""
    if isinstance(target, Architecture):
        return Target(target)
    run = target if isinstance(target, RunDirectory) else getattr(target, "run", None)
    if isinstance(run, RunDirectory):
        return _of_run(run)
    text = str(target)
    if isinstance(target, Path) or text.endswith(".json") or ("|" not in text and Path(text).is_dir()):
        path = Path(text)
        if path.is_dir():
            return _of_run(RunDirectory.open(path)) if (path / "config.json").exists() else _of_file(path)
        if path.name == "architecture.json" and (path.parent / "config.json").exists():
            return _of_run(RunDirectory.open(path.parent))
        return _of_file(path)
    return Target(Architecture.from_string(text, space))


def common(targets: Sequence[Target], data: str | None = None) -> Target | None:
    """What those say that say anything; None when none does. Unless the user names the ``data``, they are to say the
    same. Raises :class:`SettingError`."""
    known = [target for target in targets if target.source is not None]
    for other in known[1:]:
        if data is None and _about(other) != _about(known[0]):
            raise SettingError(
                f"'{known[0].architecture}' and '{other.architecture}' come from runs on other data or of another"
                " network size, so that their numbers cannot be compared; take one at a time, or say --data."
            )
        if other.network != known[0].network:
            return None
    return known[0] if known else None


def task_of(
    target: Target | None,
    data: str | None,
    data_dir: str | Path | None,
    image_size: int | None,
    download: bool = False,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
) -> Task:
    """The task that the user names, else the target's own, else :data:`ASSUMED`. Raises :class:`DataError`, and
    :class:`RunError` when the data of a run changed."""
    named = data is not None or data_dir is not None or image_size is not None or task is not None or task_settings
    if target is not None and target.run is not None and not named:
        return reload_task(target.run)
    return settled(source_of(target, data, data_dir, image_size, task, task_settings), download)[1]


def source_of(
    target: Target | None,
    data: str | None,
    data_dir: str | Path | None,
    image_size: int | None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
) -> Mapping[str, Any]:
    """What :func:`nascence.api.inputs.load_source` takes: of the data that the user names, else of the target's own,
    else of :data:`ASSUMED`, with a sentence on stderr."""
    if data is not None:
        return data_source(data, data_dir, image_size, task, task_settings)
    if target is not None and target.source is not None:
        own = target.source
        read = own.get("loading") or {}
        return data_source(
            own["data"],
            own["data_dir"] if data_dir is None else data_dir,
            own["image_size"] if image_size is None else image_size,
            task or read.get("task"),
            task_settings or read.get("settings", {}),
        )
    print(
        f"Note: no data were named, so {ASSUMED} is assumed; name yours with --data, or give a run directory.",
        file=sys.stderr,
        flush=True,
    )
    return data_source(ASSUMED, data_dir, image_size, task, task_settings)


def network_of(target: Target, task: Task, channels: int | None, depth: int | None) -> Size:
    """The size of the network: the run's own, else by the data."""
    space = get_space(target.architecture.space)
    if target.network is not None:
        return sized(space, target.network, channels, depth)
    return network_size(space, task, channels, depth)


def _of_run(run: RunDirectory) -> Target:
    run.require_architecture()
    run.require("data", "data_dir", "network", "task")
    source = {name: run.config.get(name) for name in ("data", "data_dir", "image_size")}
    if "loading" in run.config:
        source["loading"] = run.config["loading"]
    architecture = Architecture.load(run.path / "architecture.json")
    network = _network(architecture.space, run.config["network"], run.path / "config.json")
    return Target(architecture, run, source, network, _seen(run.config["task"], run.path / "config.json"))


def _of_file(path: Path) -> Target:
    """An ``architecture.json`` that is in no run: it says the data's name, and the shape they had."""
    path = path / "architecture.json" if path.is_dir() else path
    keep_known(path.parent)
    architecture = Architecture.load(path)
    record = files.read_json(path)
    if not {"data", "network", "input_shape", "class_names"} <= record.keys():
        return Target(architecture)
    signature = _seen(record, path)
    if not isinstance(record["data"], str):
        raise RunError(f"{path} is damaged: 'data' is no text.")
    height, width = signature.size
    side = height if height == width else None  # what its images were brought to, if they were
    source = {"data": record["data"], "data_dir": None, "image_size": side}
    return Target(architecture, None, source, _network(architecture.space, record["network"], path), signature)


def _network(space: str, value: Any, path: Path) -> Size:
    try:
        return from_json(get_space(space).size_class, value)
    except ValueError as error:
        raise RunError(f"{path} is damaged: its network is none ({error})") from None


def _seen(record: Mapping[str, Any], path: Path) -> Signature:
    """The signature, of image classes ``input_shape`` and ``class_names``. Raises :class:`RunError` where there is
    none."""
    if isinstance(record, Mapping) and "signature" in record:
        return described_signature(record)
    shape = record.get("input_shape") if isinstance(record, Mapping) else None
    names = record.get("class_names") if isinstance(record, Mapping) else None
    if not isinstance(shape, list) or len(shape) != 3 or not isinstance(names, list) or len(names) < 2:
        raise RunError(f"{path} is damaged: it does not say the shape of the images and the classes.")
    channels, height, width = (side if type(side) is int and 0 < side <= _LARGEST else 0 for side in shape)
    if not channels * height * width:
        raise RunError(f"{path} is damaged: {shape} is no shape of an image.")
    return Signature.images((channels, height, width), len(names))


def _about(target: Target) -> tuple[Any, ...]:
    return target.source, target.network, target.signature


__all__ = ["ASSUMED", "Target", "common", "network_of", "read_target", "source_of", "task_of"]
