"""How settings are declared: each once, its default, bounds and sentence beside it, in frozen dataclasses with parts.

    @dataclass(frozen=True, kw_only=True)
    class Weights(Settings):
        learning_rate: float = setting(0.1, "Of SGD on the network's weights.", at_least=0)

    @dataclass(frozen=True, kw_only=True)
    class Recipe(Settings):
        epochs: int = setting(50, "Of the search.", at_least=1)
        weights: Weights = part(Weights)

A setting in a part has a nested name, ``weights.learning_rate``, and a flat one, ``learning_rate``: either is taken,
``Recipe(learning_rate=0.2)`` included, both together are refused. A class that has other defaults than those it
inherits says so in ``DEFAULTS`` instead of declaring the setting again.
"""

from __future__ import annotations

import dataclasses
from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, final

from nascence.errors import SettingError, UnknownNameError


@final
@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Of a number, or of every number of a tuple; what is no number is within."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        ends = [(f.name.replace("_", " "), getattr(self, f.name)) for f in dataclasses.fields(self)]
        return " and ".join(f"{words} {end:,g}" for words, end in ends if end is not None)

    def hold(self, value: Any) -> bool:
        if isinstance(value, tuple | list):
            return all(map(self.hold, value))
        if not isinstance(value, int | float) or isinstance(value, bool):
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def check(self, name: str, value: Any) -> None:
        """Raises :class:`SettingError` where ``value`` is outside."""
        if str(self) and not self.hold(value):
            shown = list(value) if isinstance(value, tuple) else value
            raise SettingError(f"The setting {name} must be {self}, not {shown}.")


def setting(
    default: Any = MISSING,
    doc: str = "",
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    alias: str | None = None,
) -> Any:
    """A dataclass's field: its default (none where a value is required), what it means, and its bounds.

    ``alias``: its flat name, where that is not the field's own name.
    """
    bounds = Bounds(at_least=at_least, above=above, at_most=at_most, below=below)
    return field(default=default, metadata={"doc": doc, "bounds": bounds, "alias": alias})


def part(of: type[Settings], **aliases: str) -> Any:
    """A dataclass's field that holds settings of the class ``of``; ``aliases``: other flat names than it gives them."""
    return field(default_factory=of, metadata={"part": of, "aliases": aliases})


@final
@dataclass(frozen=True)
class Leaf:
    """One setting of a class: ``name`` (nested) and ``flat``, the class whose field it is, and that field."""

    name: str
    flat: str
    owner: type
    field: dataclasses.Field[Any]

    @property
    def bounds(self) -> Bounds:
        return self.field.metadata.get("bounds", Bounds())

    @property
    def doc(self) -> str:
        return str(self.field.metadata.get("doc", ""))

    def default(self) -> Any:
        """``dataclasses.MISSING`` where a value is required."""
        factory = self.field.default_factory
        return self.field.default if factory is MISSING else factory()

    def of(self, settings: Any) -> Any:
        """Its value in ``settings``."""
        for name in self.name.split("."):
            settings = getattr(settings, name)
        return settings


class _Named(ABCMeta):
    """Lets settings be made from flat and nested names, and refuses values outside their bounds."""

    def __call__(cls, *args: Any, **given: Any) -> Any:
        return super().__call__(*args, **_arguments(cls, given))


class Settings(metaclass=_Named):
    """A frozen dataclass of settings. ``DEFAULTS``: by flat or nested name, where they are not what is inherited."""

    DEFAULTS: ClassVar[Mapping[str, Any]] = {}


@cache
def leaves(cls: type) -> Mapping[str, Leaf]:
    """The settings of a dataclass, those of its parts included, by nested name."""
    found: dict[str, Leaf] = {}
    for each in dataclasses.fields(cls):
        if not each.init:
            continue
        inner = each.metadata.get("part")
        if inner is None:
            found[each.name] = Leaf(each.name, each.metadata.get("alias") or each.name, cls, each)
            continue
        aliases = each.metadata["aliases"]
        for leaf in leaves(inner).values():
            name = f"{each.name}.{leaf.name}"
            found[name] = replace(leaf, name=name, flat=aliases.get(leaf.name, leaf.flat))
    flat = [leaf.flat for leaf in found.values()]
    twice = sorted({name for name in flat if flat.count(name) > 1})
    if twice:
        names = " and ".join(leaf.name for leaf in found.values() if leaf.flat == twice[0])
        raise TypeError(f"{cls.__name__} has two settings called {twice[0]}: {names}; see DEFAULTS, or give an alias.")
    return found


@cache
def spellings(cls: type) -> Mapping[str, Leaf]:
    """The settings of a dataclass by every name that they have; a flat name goes before a field's."""
    every = leaves(cls).values()
    return {leaf.name: leaf for leaf in every} | {leaf.flat: leaf for leaf in every}


@cache
def parts(cls: type) -> Mapping[str, type]:
    """The classes of a dataclass's parts."""
    return {each.name: each.metadata["part"] for each in dataclasses.fields(cls) if "part" in each.metadata}


@cache
def class_defaults(cls: type) -> Mapping[str, Any]:
    """What ``DEFAULTS`` of a class, of its parts and of what it inherits from say, by nested name."""
    found = {
        f"{name}.{key}": value for name, inner in parts(cls).items() for key, value in class_defaults(inner).items()
    }
    for base in reversed(cls.__mro__):
        found |= resolved(cls, base.__dict__.get("DEFAULTS", {}))
    return found


def leaf_called(cls: type, name: str) -> Leaf:
    """Raises :class:`UnknownNameError`, with the settings there are: nested ones for a name with a dot."""
    table = spellings(cls)
    if name not in table:
        known = [leaf.name if "." in name else leaf.flat for leaf in leaves(cls).values()]
        raise UnknownNameError(f"setting of {getattr(cls, 'name', cls.__name__)}", name, known)
    return table[name]


def resolved(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values by nested name from values by any name, and from parts: whole ones, or mappings of their settings.

    A whole part gives way to its single settings. Raises :class:`UnknownNameError`, and :class:`SettingError` for a
    setting that is given under two names.
    """
    whole: dict[str, Any] = {}
    single: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name, value in given.items():
        inner = parts(cls).get(name)
        if inner is not None and isinstance(value, Settings):
            whole |= {f"{name}.{leaf.name}": leaf.of(value) for leaf in leaves(inner).values()}
            continue
        if inner is not None and isinstance(value, Mapping):
            entries = {f"{name}.{key}": each for key, each in resolved(inner, value).items()}
        else:
            entries = {leaf_called(cls, name).name: value}
        for key, each in entries.items():
            if key in said:
                raise given_twice(said[key], name)
            single[key], said[key] = each, name
    return whole | single


def given_twice(before: str, name: str) -> SettingError:
    """For a setting that was given as ``before`` and as ``name``."""
    also = "" if before == name else f", as '{before}' too"
    return SettingError(f"The setting '{name}' is given twice{also}; give it once.")


def flat(settings: Settings) -> dict[str, Any]:
    """Every value by its flat name."""
    return {leaf.flat: leaf.of(settings) for leaf in leaves(type(settings)).values()}


def _arguments(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the dataclass itself takes, a value for a field."""
    chosen, every = resolved(cls, given), leaves(cls)
    for name, value in chosen.items():
        every[name].bounds.check(every[name].flat, value)
    arguments: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for name, value in {**class_defaults(cls), **chosen}.items():
        head, _, rest = name.partition(".")
        if rest:
            inside.setdefault(head, {})[rest] = value
        else:
            arguments[head] = value
    return arguments | {name: parts(cls)[name](**values) for name, values in inside.items()}


__all__ = [
    "Bounds",
    "Leaf",
    "Settings",
    "class_defaults",
    "flat",
    "given_twice",
    "leaf_called",
    "leaves",
    "part",
    "resolved",
    "setting",
    "spellings",
]
