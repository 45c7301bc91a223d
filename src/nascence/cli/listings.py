"""What is listed of methods, spaces and scores, known without importing them, and PyTorch with them.

``listings.json`` holds it for those that come with Nascence; ``python -m nascence.cli.listings`` writes the file anew,
and a test holds it against what is there. Where a package adds names of its own, all are asked.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("listings.json")
Kind = Literal["methods", "spaces", "scores"]


def listed(kind: Kind) -> list[dict[str, Any]]:
    """One object for each name of the ``kind``, in the order of the registry."""
    if f"nascence.{kind}" in sys.modules or entry_points(group=f"nascence.{kind}"):
        return asked(kind)
    return json.loads(FILE.read_text(encoding="utf-8"))[kind]


def asked(kind: Kind) -> list[dict[str, Any]]:
    """The same, of the objects themselves."""
    return {"methods": _methods, "spaces": _spaces, "scores": _scores}[kind]()


def _methods() -> list[dict[str, Any]]:
    from nascence.configuration import describe
    from nascence.methods import METHODS

    found = []
    for name in METHODS.names():
        method = METHODS.get(name)
        about = {key: getattr(method, key) for key in ("title", "paper", "caveat")}
        presets = {key: dict(values) for key, values in method.PRESETS.items()}
        found.append({"name": name, **about, "settings": describe(method), "presets": presets})
    return found


def _spaces() -> list[dict[str, Any]]:
    from nascence.configuration import to_json
    from nascence.spaces import SPACES, get_space

    found = []
    for name in SPACES.names():
        space = get_space(name)
        about = " ".join((space.__doc__ or "").split())
        choices = [{"name": choice.name, "options": list(choice.options)} for choice in space.choices]
        networks = {size: to_json(network) for size, network in space.networks.items()}
        found.append({"name": name, "size": space.size, "about": about, "choices": choices, "networks": networks})
    return found


def _scores() -> list[dict[str, Any]]:
    from nascence.configuration import describe
    from nascence.scores import SCORES

    found = []
    for name in SCORES.names():
        score = SCORES.get(name)
        about = {name: getattr(score, name) for name in ("description", "source", "larger_is_better", "random")}
        found.append({"name": name, **about, "settings": describe(score)})
    return found


def text() -> str:
    """What the file should hold: an object a line, so that changes of two methods do not meet."""
    kinds: tuple[Kind, ...] = ("methods", "spaces", "scores")
    parts = [f'"{kind}": [\n' + ",\n".join(json.dumps(entry) for entry in asked(kind)) + "\n]" for kind in kinds]
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

__all__ = ["asked", "listed", "text"]
