"""``nascence methods``: which methods there are, and their settings."""

from __future__ import annotations

from typing import Any

from nascence.cli import options
from nascence.cli.listings import listed
from nascence.cli.output import emit, human, table


def command(json: options.Json = False) -> None:
    """List the methods and the settings that --set reaches."""
    found = listed("methods")
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
            rows = [[s["name"], s["type"], _default(s), s["doc"]] for s in entry["settings"]]
            table(
                console, ("  setting", "type", "default", "meaning"), [["  " + str(row[0]), *row[1:]] for row in rows]
            )


def _preset(values: dict[str, Any]) -> str:
    """What a preset changes, as it would be typed."""
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "the defaults below"


def _default(setting: dict[str, Any]) -> object:
    """As it would be typed; nothing where a value is required."""
    return ("none" if setting["default"] is None else setting["default"]) if "default" in setting else None
