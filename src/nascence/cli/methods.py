"""``nascence methods``: which methods there are, and their settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nascence.cli import options
from nascence.cli.listings import listed
from nascence.cli.output import emit, human, table
from nascence.errors import UnknownNameError


def command(
    name: Annotated[str | None, typer.Argument(help="Of one method [default: all].", metavar="NAME")] = None,
    json: options.Json = False,
) -> None:
    """List the methods, or one, and the settings that --set reaches: name, other name, type and bounds, default."""
    found = listed("methods")
    if name is not None:
        known = [entry["name"] for entry in found]
        found = [entry for entry in found if entry["name"] == name]
        if not found:
            raise UnknownNameError("method", name, known)
    if json:
        emit({"methods": found})
        return
    console = human(json)
    for entry in found:
        console.print(f"{entry['name']}: {entry['title']}", markup=False, style="bold")
        console.print(f"  {entry['paper']}", markup=False)
        if entry["caveat"]:
            console.print(f"  {entry['caveat']}", markup=False)
        for key, values in entry["presets"].items():
            console.print(f"  --preset {key}: {_preset(values)}", markup=False)
        if entry["settings"]:
            rows = [["  " + s["name"], s.get("alias", ""), _type(s), _default(s), s["doc"]] for s in entry["settings"]]
            table(console, ("  setting", "or", "type", "default", "meaning"), rows)


def _preset(values: dict[str, Any]) -> str:
    """What a preset changes, as it would be typed."""
    return ", ".join(f"{name}={_typed(value)}" for name, value in values.items()) or "the defaults below"


def _type(setting: dict[str, Any]) -> str:
    """With its bounds: integer, at least 1."""
    return ", ".join(setting[name] for name in ("type", "bounds") if name in setting)


def _default(setting: dict[str, Any]) -> object:
    """As it would be typed; nothing where a value is required."""
    return _typed(setting["default"]) if "default" in setting else None


def _typed(value: object) -> object:
    """none, true, numbers separated by commas."""
    if isinstance(value, list | tuple):
        return ",".join(str(_typed(each)) for each in value)
    return str(value).lower() if value is None or isinstance(value, bool) else value
