"""Settings: ``name=value`` texts into the fields of a frozen dataclass, and such an object into JSON and back."""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nascence.declaring import Leaf, Settings, class_defaults, flat, given_twice, leaf_called, leaves, resolved
from nascence.errors import NascenceError, SettingError

T = TypeVar("T")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


def settings(
    cls: type[T],
    assignments: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> T:
    """An object of the dataclass ``cls`` from ``name=value`` texts and from ``values``, JSON-like, by name.

    Names are nested (``weights.learning_rate``) or flat (``learning_rate``). ``defaults`` stand for what neither gives,
    before the class's own do.

    Raises :class:`UnknownNameError` and :class:`SettingError`, listing the settings or values there are.
    """
    chosen = from_json_values(cls, values or {})
    said: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise SettingError(f"'{assignment}' is no setting; expected name=value, such as '{_example(cls)}'.")
        leaf = leaf_called(cls, name)
        if leaf.name in chosen:
            raise given_twice(said.get(leaf.name, name), name)
        try:
            chosen[leaf.name] = _from_text(_hint(leaf), text.strip())
        except SettingError:
            raise
        except ValueError:
            raise _wrong(name, text, _hint(leaf)) from None
        said[leaf.name] = name
    return _construct(cls, {**from_json_values(cls, defaults or {}), **chosen})


def from_json(cls: type[T], value: Any) -> T:
    """The inverse of :func:`to_json`. Raises :class:`UnknownNameError` and :class:`SettingError`."""
    if not isinstance(value, Mapping):
        raise SettingError(f"Expected the settings of {cls.__name__} as a JSON object, got {value!r}.")
    return _construct(cls, from_json_values(cls, value))


def from_json_values(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` by nested name, with lists turned into tuples and objects into dataclasses, as the fields of ``cls``
    want them."""
    converted = {}
    for name, value in resolved(cls, values).items():
        leaf = leaves(cls)[name]
        try:
            converted[name] = _from_value(_hint(leaf), value)
        except ValueError:
            raise _wrong(name if name in values else leaf.flat, value, _hint(leaf)) from None
    return converted


def to_json(value: Any) -> Any:
    """A dataclass as a dictionary of numbers, texts, lists and dictionaries, field by field; settings by flat name."""
    if isinstance(value, Settings):
        return {name: to_json(each) for name, each in flat(value).items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def describe(cls: type) -> list[dict[str, Any]]:
    """Of every setting ``name`` (nested), ``alias`` (its flat name, where that is another), ``type``, ``default``
    (absent where a value is required), ``bounds`` (where it has any) and ``doc``."""
    usual = class_defaults(cls)
    described = []
    for name, leaf in leaves(cls).items():
        entry = {"name": name, "type": type_name(_hint(leaf))}
        if leaf.flat != name:
            entry["alias"] = leaf.flat
        default = usual.get(name, leaf.default())
        if default is not dataclasses.MISSING:
            entry["default"] = to_json(default)
        if str(leaf.bounds):
            entry["bounds"] = str(leaf.bounds)
        described.append({**entry, "doc": leaf.doc})
    return described


def type_name(hint: Any) -> str:
    """A type in words: ``integer``, ``one of a, b``, ``number or none``, ``list of integers``."""
    names: dict[Any, str] = {int: "integer", float: "number", bool: "true or false", str: "text", type(None): "none"}
    if hint in names:
        return names[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(argument) for argument in arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"{type_name(arguments[0])}s, separated by commas"
        return f"{len(arguments)} values, separated by commas: " + ", ".join(map(type_name, arguments))
    return getattr(hint, "__name__", str(hint))


def number(text: str) -> float:
    """A finite number, ``1e6``, ``1_000_000``, ``300k``, ``0.3M``, ``8/255``, ``2GB`` and ``2GiB`` included (``k``,
    ``M``, ``G``, ``T`` are powers of 1000, with ``iB`` of 1024). Raises ``ValueError``."""
    if text.count("/") == 1:
        above, below = map(number, text.split("/"))
        if not below or not math.isfinite(above / below):
            raise ValueError(text)
        return above / below
    found = _WITH_PREFIX.fullmatch(text.strip())
    value = float(text if found is None else found["number"])
    if found is not None:
        base = 1024 if found["unit"] == "iB" else 1000
        value = float(f"{value * base ** (1 + 'kMGT'.index(found['prefix'].replace('K', 'k'))):.15g}")  # 0.3M: 300000
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_WITH_PREFIX = re.compile(r"(?P<number>.*[0-9.]) ?(?P<prefix>[kKMGT])(?P<unit>i?B)?")
MOST = 1_000_000
"""The largest whole number of a setting: more of anything that is counted there is a slip, and would fill the memory
before anybody noticed."""
LARGEST = 1e15
"""The largest number of a setting; its square is still one of float32."""


def at_most(most: int, **given: int | None) -> None:
    """Raises :class:`SettingError` when one is above ``most``."""
    for name, value in given.items():
        if value is not None and value > most:
            raise SettingError(f"{name.replace('_', ' ')} is at most {most:,}, not {value:,}.")


def integer(text: str) -> int:
    """A whole number, ``1e3`` included. Raises ``ValueError``."""
    try:
        return int(text)
    except ValueError:
        value = number(text)
        if value != int(value):
            raise ValueError(text) from None
        return int(value)


def _counted(value: int) -> int:
    if abs(value) > MOST:
        raise SettingError(f"A setting that is a whole number is at most {MOST:,}, not {value:,}.")
    return value


def _measured(value: float) -> float:
    if abs(value) > LARGEST:
        raise SettingError(f"A setting that is a number is at most {LARGEST:g}, not {value:g}.")
    return value


def _from_text(hint: Any, text: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    readers: dict[Any, Callable[[str], Any]] = {
        int: lambda text: _counted(integer(text)),
        float: lambda text: _measured(number(text)),
        str: str,
    }
    if hint in readers:
        return readers[hint](text)
    if hint is type(None):
        if text.lower() != "none":
            raise ValueError(text)
        return None
    if origin is Literal:
        return next(option for option in arguments if str(option) == text) if text in map(str, arguments) else _no(text)
    if origin in (Union, types.UnionType):
        return _first(sorted(arguments, key=lambda a: a is str), lambda argument: _from_text(argument, text), text)
    if origin is tuple:
        parts = [part.strip() for part in text.strip("()[]").split(",") if part.strip()]
        return tuple(_from_text(kind, part) for kind, part in zip(_kinds(arguments, parts), parts, strict=True))
    return _no(text)


def _from_value(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, bool, str):
        return value if type(value) is hint else _no(value)
    if hint is type(None):
        return None if value is None else _no(value)
    if origin is Literal:
        return value if any(value == option and type(value) is type(option) for option in arguments) else _no(value)
    if origin in (Union, types.UnionType):
        return _first(arguments, lambda argument: _from_value(argument, value), value)
    if origin is tuple and isinstance(value, tuple | list):
        return tuple(_from_value(kind, part) for kind, part in zip(_kinds(arguments, value), value, strict=True))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_json(hint, value)
    return _no(value)


def _kinds(arguments: tuple[Any, ...], parts: Any) -> list[Any]:
    return [arguments[0]] * len(parts) if arguments[-1] is Ellipsis else list(arguments)


def _first(arguments: Iterable[Any], read: Callable[[Any], Any], value: Any) -> Any:
    for argument in arguments:
        try:
            return read(argument)
        except SettingError:
            raise
        except ValueError:
            continue
    return _no(value)


def _no(value: Any) -> Any:
    raise ValueError(value)


def _wrong(name: str, value: Any, hint: Any) -> SettingError:
    return SettingError(f"The setting '{name}' cannot be '{value}'; expected: {type_name(hint)}.")


def _construct(cls: type[T], values: dict[str, Any]) -> T:
    required = [entry["name"] for entry in describe(cls) if "default" not in entry]
    missing = [name for name in required if name not in values]
    if missing:
        raise SettingError(f"{cls.__name__} needs a value for '{missing[0]}'.")
    try:
        return cls(**values)
    except NascenceError:
        raise
    except ValueError as error:
        raise SettingError(str(error)) from None


def _hint(leaf: Leaf) -> Any:
    return _hints(leaf.owner)[leaf.field.name]


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _example(cls: type) -> str:
    entries = [entry for entry in describe(cls) if "default" in entry]
    return f"{entries[0]['name']}={entries[0]['default']}" if entries else "name=value"


__all__ = ["MOST", "at_most", "describe", "from_json", "integer", "number", "settings", "to_json", "type_name"]
