"""What a training is asked to train: a run with a finished search, or an architecture by itself; and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nascence.api.fronts import place_of, rows_of
from nascence.api.tables import look_up
from nascence.architecture import Architecture
from nascence.configuration import from_json
from nascence.costs import CostModel
from nascence.errors import ArchitectureError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.runs.schemas import ArchitectureFile
from nascence.spaces import get_space
from nascence.spaces.own.known import keep_known
from nascence.tasks import Task


def run_of(target: object) -> RunDirectory | None:
    """The run that ``target`` is, if it is one; an ``architecture.json`` is not."""
    if isinstance(target, RunDirectory):
        return target
    if isinstance(target, Path) or (isinstance(target, str) and "|" not in target and Path(target).is_dir()):
        return None if Path(target).is_file() else RunDirectory.open(target)
    return None


def given_record(target: object, space: str | None) -> dict[str, Any]:
    """An architecture as a record: what its file says, or what the user typed."""
    if isinstance(target, Architecture):
        return target.to_dict()
    text = str(target)
    path = Path(text)
    if path.suffix == ".json" or (len(text) < 255 and path.is_file()):
        keep_known(path.parent)
        architecture = Architecture.load(path)
        if space is not None and space != architecture.space:
            raise ArchitectureError(f"{path} is an architecture of {architecture.space}, not of {space}.")
        return {**read_json(path, ArchitectureFile), **architecture.to_dict()}
    if space is None:
        raise ArchitectureError(
            f"'{text}' is neither a run directory nor a file; if it is an architecture, add --space."
        )
    return Architecture.from_string(text, space).to_dict()


def described(run: RunDirectory, architecture: Architecture, task: Task) -> dict[str, Any]:
    """``architecture.json`` of a training without a search."""
    space = get_space(architecture.space)
    model = CostModel(space, from_json(space.size_class, run.config["network"]), task.signature)
    index = space.index(architecture)
    return {
        **architecture.to_dict(),
        **({"index": index} if index is not None else {}),
        **{name: run.config[name] for name in ("method", "seed", "data", "network")},
        "search_seconds": None,
        "params": model.params(architecture),
        "flops": model.flops(architecture),
        "input_shape": run.config["task"]["input_shape"],
        **({"class_names": names} if (names := run.config["task"].get("class_names")) else {}),
    }


def redescribed(run: RunDirectory, architecture: Architecture) -> dict[str, Any]:
    """``architecture.json`` of a search for another architecture of its front."""
    record, several = run.read_json("architecture.json"), rows_of(run)
    assert several is not None
    rows, at = several[0], place_of(several[0], architecture)
    assert at is not None
    about = ("space", "architecture", "choices", "params", "flops")
    own = {name: rows[at][name] for name in about}
    form = "front" if "front" in record else "ensemble"
    known = {name: value for name, value in record.items() if name not in ("index", "latency_ms", "table")}
    index = get_space(architecture.space).index(architecture)
    table = look_up(architecture, run.config["data_dir"])
    if table is not None and "table" in record:
        table["note"] = record["table"]["note"]
    return {
        **known,
        **own,
        **({"index": index} if index is not None else {}),
        form: {"size": len(rows), "index": at},
        **({"table": table} if table is not None else {}),
    }


__all__ = ["described", "given_record", "redescribed", "run_of"]
