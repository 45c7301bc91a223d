"""The user's own network: made by the function of a file, with weights of a file, and kept by its runs.

The file is a program and runs with the user's rights. Nothing but the named file is run; what it imports must be
installed.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.util
import inspect
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.errors import RunError, SettingError
from nascence.reading import read_bytes
from nascence.runs.progress import tell
from nascence.spaces.own import OwnSpace
from nascence.spaces.own.graph import Borrow
from nascence.spaces.own.known import (
    SOURCE,
    borrow_with,
    files_again,
    files_in,
    files_of,
    kept_space,
    make_known,
    own_space,
)
from nascence.spaces.own.space import is_own
from nascence.spaces.own.tracing import trace
from nascence.tasks.base import Signature
from nascence.training.teaching import Teacher
from nascence.trusting import is_trusted, remember

BUILDER = "build"
_LARGEST = 2**34


@final
@dataclass(frozen=True)
class OwnModel:
    """What ``--model`` and ``--weights`` name, before the data are known. ``title``: for people; ``source``: the file's
    content, and ``builder``, the function in it; ``module``: given from Python."""

    title: str
    source: bytes | None = None
    builder: str = BUILDER
    path: Path | None = None
    module: nn.Module | None = None
    state: Mapping[str, Tensor] | None = None
    weights: str = ""

    @classmethod
    def given(cls, model: nn.Module | str | Path, weights: str | Path | None = None) -> OwnModel:
        """A module, or the text ``FILE.py:FUNCTION`` (``build`` where none is named). Nothing is run yet. Raises
        :class:`SettingError` where there is no such file."""
        state = None if weights is None else _read_weights(Path(weights))
        named = "" if weights is None else str(weights)
        if isinstance(model, nn.Module):
            return cls(type(model).__name__, module=model, state=state, weights=named)
        if not isinstance(model, str | Path):
            raise SettingError(
                f"A network of your own is a torch.nn.Module or FILE.py:FUNCTION, not {type(model).__name__}."
            )
        file, colon, builder = str(model).rpartition(":")
        if not colon or "/" in builder or builder.endswith(".py"):
            file, builder = str(model), BUILDER
        path = Path(file).expanduser()
        if path.suffix != ".py" or not builder.isidentifier():
            raise SettingError(
                f"'{model}' names no network; expected a Python file and a function in it: mynet.py:build"
            )
        source = read_bytes(path, SettingError)
        return cls(f"{path.name}:{builder}", source, builder, path.resolve(), None, state, named)

    @property
    def slug(self) -> str:
        """A part of a folder's name."""
        return self.path.stem if self.path is not None else self.title.lower()

    def space(self, signature: Signature) -> OwnSpace:
        """What can be made of the network for data of ``signature``; known by its name from now on. Raises
        :class:`SettingError`, in one sentence, where it cannot be made, traced or thinned, or does not fit the data."""
        if signature.domain != "images":
            raise SettingError("A network of your own must take images; these data are a graph.")
        trained = True
        module = self.module
        if module is None:
            assert self.source is not None
            remember(self.source, self.builder)
            module = built(self.source, str(self.path), self.builder, signature)
            if self.state is None:
                again = built(self.source, str(self.path), self.builder, signature, seed=1)
                trained = _alike(module, again)
        if self.state is not None:
            module = copy.deepcopy(module)
            _load(module, self.state, self.weights)
        traced = trace(module, signature)
        return make_known(
            OwnSpace(traced.network, signature, whole=traced.whole, trained=trained, borrowed=traced.whole)
        )

    def files(self, space: OwnSpace) -> dict[str, bytes]:
        """What a run keeps, so that it can go on without the file."""
        about = {"model": self.title, "builder": self.builder}
        if self.source is not None:
            about["sha256"] = hashlib.sha256(self.source).hexdigest()
        elif space.borrowed:
            parts = ", ".join(space.borrowed)
            tell(
                f"Note: {parts} could not be traced, and a module given from Python cannot be made again without its "
                "code: this run can be used in this process alone; to keep it, write the network into a file and name "
                "that with model='FILE.py:FUNCTION'."
            )
        return files_of(space, about, self.source)


@final
@dataclass(frozen=True)
class KeptModel:
    """A network of one's own that a ``folder`` keeps already, as a comparison does for all its searches: it is neither
    run nor traced again. ``name``: of its space."""

    title: str
    name: str
    folder: Path

    @property
    def slug(self) -> str:
        return self.name

    def space(self, signature: Signature) -> OwnSpace:
        """Raises :class:`RunError` where what the folder keeps is damaged."""
        return kept_space(self.folder, self.name)

    def files(self, space: OwnSpace) -> dict[str, bytes]:
        return files_in(self.folder)


def built(source: bytes, name: str, builder: str, signature: Signature, seed: int = 0) -> nn.Module:
    """What ``builder`` of a file returns; random numbers in it follow from ``seed``. Raises :class:`SettingError`."""
    file = Path(name).name
    with _running(name) as namespace, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            exec(compile(source, name, "exec"), namespace.__dict__)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises
            raise SettingError(f"{file} cannot be imported ({_told(error)}).") from None
        function = getattr(namespace, builder, None)
        if function is None:
            raise SettingError(f"{file} has no '{builder}'; expected a function that returns the network.")
        if isinstance(function, nn.Module):
            return function
        if not callable(function):
            raise SettingError(f"'{builder}' in {file} is no function, but {type(function).__name__}.")
        arguments = _arguments(function, f"'{builder}' in {file}", signature)
        try:
            module = function(**arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - likewise
            raise SettingError(f"'{builder}' in {file} fails ({_told(error)}).") from None
    if not isinstance(module, nn.Module):
        raise SettingError(f"'{builder}' in {file} returns {type(module).__name__}; expected a torch.nn.Module.")
    return module


@contextlib.contextmanager
def _running(name: str) -> Iterator[Any]:
    """A module of its own, which what runs in it can find by its name; printing goes to stderr, and no compiled files
    are left."""
    own = "nascence_own_network"
    spec = importlib.util.spec_from_loader(own, loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = name
    before, bytecode = sys.modules.get(own), sys.dont_write_bytecode
    sys.modules[own], sys.dont_write_bytecode = module, True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield module
    finally:
        sys.dont_write_bytecode = bytecode
        if before is None:
            del sys.modules[own]
        else:
            sys.modules[own] = before


def _arguments(function: Any, who: str, signature: Signature) -> dict[str, int]:
    """Those of ``classes`` and ``channels`` that a builder takes. Raises :class:`SettingError` where it needs more."""
    offered = {"classes": signature.outputs, "channels": signature.features}
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in kinds and p.name not in offered]
    if needed:
        raise SettingError(
            f"{who} needs arguments ({', '.join(needed)}); expected a function without any, or of classes and channels."
        )
    return {p.name: offered[p.name] for p in parameters if p.name in offered and p.kind != p.POSITIONAL_ONLY}


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two builds have the same weights: then the builder brings them."""
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    content = read_bytes(path, SettingError, largest=_LARGEST)
    try:
        value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 (a damaged or foreign file makes PyTorch fail in any way there is)
        raise SettingError(
            f"{path} holds no weights that are safe to read; expected what torch.save(net.state_dict(), FILE) wrote."
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict) or not value or not all(isinstance(part, Tensor) for part in value.values()):
        raise SettingError(f"{path} holds no state dictionary of a network: names and their tensors.")
    return {str(name).removeprefix("module."): part for name, part in value.items()}


def _load(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    foreign = [key for key in state if key not in own]
    shaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or foreign or shaped:
        first = (
            f"{shaped[0]} is {list(state[shaped[0]].shape)} there and {list(own[shaped[0]].shape)} in the network"
            if shaped
            else f"the network's {missing[0]} is missing"
            if missing
            else f"the network has no {foreign[0]}"
        )
        raise SettingError(f"The weights in {name} do not fit {type(module).__name__}: {first}.")
    module.load_state_dict(dict(state))


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def _borrow(folder: Path, kept: Mapping[str, Any]) -> Borrow:
    """Parts that only the user's code can make, from the copy of it that a run keeps."""
    path = folder / SOURCE
    if not path.is_file():
        parts = ", ".join(kept["whole"])
        raise RunError(
            f"{folder} cannot go on: its network was given from Python, and {parts}, which could not be traced, "
            "cannot be made again without its code."
        )
    source = read_bytes(path, RunError)
    if hashlib.sha256(source).hexdigest() != kept.get("sha256"):
        raise RunError(f"{path} was changed since its run began; bring it back.")
    if not is_trusted(source, str(kept["builder"])):
        raise RunError(
            f"{path} is a program that this user has not run before, and opening this run would run it; look at it, "
            "and add --trust if you would run it yourself."
        )
    module = built(source, str(path), str(kept["builder"]), Signature.from_dict(kept["signature"]))
    return lambda name: copy.deepcopy(module.get_submodule(name))


def own_training(space: str, from_scratch: bool, teacher: bool) -> dict[str, Any]:
    """What a ``training`` entry says of the user's own network. Raises :class:`SettingError` where there is none."""
    if not from_scratch and not teacher:
        return {}
    if not is_own(space):
        name = "--from-scratch" if from_scratch else "--teacher"
        raise SettingError(f"{name} is about a network of your own, and this one is of {space}; leave it out.")
    if teacher and not own_space(space).trained:
        raise SettingError("The whole network has no trained weights to teach with; leave --teacher out.")
    return {**({"from_scratch": True} if from_scratch else {}), **({"teacher": True} if teacher else {})}


def own_teacher(entry: Mapping[str, Any], space: str) -> Teacher | None:
    """Whom a network learns from whose ``training`` entry asks for it."""
    if not entry.get("teacher"):
        return None
    own = own_space(space)
    return Teacher(own.assemble(own.largest, None, own.signature))


def own_files(space: str, record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the configuration of a training without a search says of the user's own network, and what its run keeps;
    nothing for another ``space``. ``record``: of the architecture."""
    if not is_own(space):
        return {}, {}
    own = own_space(space)
    return {"model": (record.get("own") or {}).get("model", space)}, files_again(own)


borrow_with(_borrow)

__all__ = ["BUILDER", "KeptModel", "OwnModel", "built", "own_files", "own_teacher", "own_training"]
