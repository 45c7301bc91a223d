"""Networks of one's own by the names of their spaces: those that this process made, and those that runs keep."""

from __future__ import annotations

import copyreg
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nascence.errors import ArchitectureError, RunError, SettingError
from nascence.reading import parse_json, read_bytes, with_checksum, without_checksum
from nascence.spaces.own.graph import Borrow, from_json
from nascence.spaces.own.space import OwnSpace, is_own
from nascence.tasks.base import Signature

if TYPE_CHECKING:
    from collections.abc import Callable

GRAPH, WEIGHTS, SOURCE = "network.json", "network.pt", "network_source.py"
"""What a run keeps of the network that it began with: its graph, its weights, and the file it came from."""
_LARGEST = 2**34

_known: dict[str, OwnSpace] = {}
_kept: dict[str, Path] = {}
_borrowing: list[Callable[[Path, Mapping[str, Any]], Borrow]] = []


def make_known(space: OwnSpace) -> OwnSpace:
    """Let architectures of ``space`` be found by its name; gives the one of this name that was known first."""
    return _known.setdefault(space.name, space)


def borrow_with(loader: Callable[[Path, Mapping[str, Any]], Borrow]) -> None:
    """Say who runs a user's file again, for what can only be made by it."""
    _borrowing[:] = [loader]


def keep_known(folder: Path) -> None:
    """Let the network that the run in ``folder`` keeps, if it keeps one, be found by its name once it is asked for."""
    path = folder / GRAPH
    if path.is_file():
        _kept[_read(path)["space"]] = folder


def kept_space(folder: Path, name: str) -> OwnSpace:
    """The space called ``name``, in a process that may know nothing of it but the ``folder`` that keeps it. Raises what
    :func:`own_space` raises."""
    keep_known(folder)
    return own_space(name)


def own_space(name: str) -> OwnSpace:
    """The space called ``name``. Raises :class:`ArchitectureError` where nothing is known of it, and :class:`RunError`
    where what a run keeps is damaged."""
    if name not in _known:
        if name not in _kept:
            raise ArchitectureError(
                f"'{name}' is thinned from a network of somebody's own, which is not here; it is kept in the run "
                "directory that found it: name that, or the architecture.json inside it."
            )
        _known[name] = _load(_kept[name])
    return _known[name]


def files_of(space: OwnSpace, about: Mapping[str, Any] = {}, source: bytes | None = None) -> dict[str, bytes]:
    """What a run keeps of ``space``, by the name of the file. ``about``: where the module came from."""
    told = {
        "space": space.name,
        "signature": space.signature.to_dict(),
        "trained": space.trained,
        "whole": dict(space.borrowed),
        **about,
        "graph": space.written,
    }
    weights = io.BytesIO()
    torch.save(space.state, weights)
    files = {GRAPH: (json.dumps(with_checksum(told)) + "\n").encode(), WEIGHTS: weights.getvalue()}
    return files if source is None else {**files, SOURCE: source}


def files_in(folder: Path) -> dict[str, bytes]:
    """The same, from a run that keeps them."""
    names = [name for name in (GRAPH, WEIGHTS, SOURCE) if (folder / name).is_file()]
    return {name: read_bytes(folder / name, RunError, largest=_LARGEST) for name in names}


def files_again(space: OwnSpace) -> dict[str, bytes]:
    """What another run keeps of ``space``: with the file it came from, where a folder is known that has it."""
    folder = _kept.get(space.name)
    return files_in(folder) if folder is not None and (folder / GRAPH).is_file() else files_of(space)


def _read(path: Path) -> dict[str, Any]:
    try:
        value = without_checksum(parse_json(read_bytes(path, RunError, largest=_LARGEST)))
    except RunError:
        raise
    except ValueError as reason:
        raise RunError(f"{path} is damaged: {reason}.") from None
    if not isinstance(value, dict) or not isinstance(value.get("space"), str) or not is_own(value["space"]):
        raise RunError(f"{path} is damaged: it does not say which network it holds.")
    return value


def _load(folder: Path) -> OwnSpace:
    value = _read(folder / GRAPH)
    try:
        content = read_bytes(folder / WEIGHTS, RunError, largest=_LARGEST)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RunError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 (a damaged archive makes its readers fail in any way there is)
        raise RunError(f"{folder / WEIGHTS} is damaged; without it this run cannot go on.") from None
    whole = value.get("whole") or {}
    borrow = _borrowing[0](folder, value) if whole and _borrowing else None
    try:
        network = from_json(value["graph"], state, borrow)
        space = OwnSpace(
            network,
            Signature.from_dict(value["signature"]),
            whole=whole,
            trained=bool(value.get("trained", True)),
            borrowed=whole,
        )
    except SettingError as error:
        raise RunError(f"{folder / GRAPH} cannot be used: {error}") from None
    except (KeyError, TypeError):
        raise RunError(f"{folder / GRAPH} is damaged: it is no network.") from None
    if space.name != value["space"]:
        raise RunError(f"{folder} is damaged: its network is not the one that its run began with.")
    return space


def _sent(space: OwnSpace) -> tuple[Callable[..., OwnSpace], tuple[Any, ...]]:
    """How a space goes to another process, which knows it by its name from then on. Raises :class:`SettingError` where
    that would have to run the user's code."""
    if space.borrowed:
        raise SettingError(
            f"{', '.join(space.borrowed)} could not be traced, and cannot be made in another process; work on this "
            "network in one process alone, without --workers and --out."
        )
    return _received, (space.written, space.state, space.signature, space.trained)


def _received(
    written: Mapping[str, Any], state: Mapping[str, torch.Tensor], signature: Signature, trained: bool
) -> OwnSpace:
    return make_known(OwnSpace(from_json(written, state, None), signature, trained=trained))


copyreg.pickle(OwnSpace, _sent)

__all__ = [
    "GRAPH",
    "SOURCE",
    "WEIGHTS",
    "borrow_with",
    "files_in",
    "files_of",
    "keep_known",
    "kept_space",
    "make_known",
    "own_space",
]
