"""A front in a file, and one network picked from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nascence.api.ensembles import FOUND
from nascence.architecture import Architecture
from nascence.configuration import number
from nascence.costs import CostModel
from nascence.errors import RunError, SettingError, UnknownNameError
from nascence.runs import RunDirectory
from nascence.strategies.found import Found
from nascence.strategies.pareto import indistinct

KNEE = "knee"
_FORM = "knee, an index, or limits such as max-params=5e5"


def describe_front(front: Found, model: CostModel) -> dict[str, Any]:
    """The content of ``front.json``: ``objectives`` (name, unit, description, which way is better), ``knee``, and the
    ``front``, best first by the first objective: index, architecture, value of every objective, params, flops. Where an
    objective is a share of examples, ``indistinct`` has its name and the pairs of neighbours, by index, that cannot be
    told apart (:func:`nascence.strategies.pareto.indistinct`)."""
    names = [objective.name for objective in front.criteria]
    rows = [
        {
            "index": at,
            **architecture.to_dict(),
            "values": dict(zip(names, values, strict=True)),
            "params": model.params(architecture),
            "flops": model.flops(architecture),
        }
        for at, (architecture, values) in enumerate(zip(front.members, front.values, strict=True))
    ]
    described = {"objectives": [vars(objective) for objective in front.criteria], "knee": front.pick, "front": rows}
    for at, objective in enumerate(front.criteria):
        if objective.examples:
            pairs = indistinct([values[at] for values in front.values], objective.examples)
            described["indistinct"] = {"objective": objective.name, "pairs": [list(pair) for pair in pairs]}
    return described


def rows_of(run: RunDirectory) -> tuple[list[dict[str, Any]], int] | None:
    """The networks that a search ended in, where there are several (a front or an ensemble), and the place of the one
    to take; None where it ended in one."""
    if run.has("front.json"):
        front = run.read_json("front.json")
        return front["front"], front["knee"]
    if run.has(FOUND):
        found = run.read_json(FOUND, "members", "pick")
        return found["members"], found["pick"]
    return None


def index_of(front: Mapping[str, Any], architecture: Architecture) -> int | None:
    """Where an architecture stands in ``front.json``, None where it is not there."""
    return place_of(front["front"], architecture)


def place_of(rows: Sequence[Mapping[str, Any]], architecture: Architecture) -> int | None:
    """Where an architecture stands among rows, None where it is not there."""
    return next((row["index"] for row in rows if row["architecture"] == str(architecture)), None)


def pick(run: RunDirectory, text: str) -> dict[str, Any]:
    """The row of a run's front or ensemble that ``text`` asks for: ``knee``, an index, or limits.

    Limits, separated by commas, are ``max-NAME=VALUE`` or ``min-NAME=VALUE`` of any objective, ``params`` or ``flops``;
    of what is within them, the best by the first objective. Raises :class:`RunError` when the run has no front or
    nothing fits, :class:`SettingError` and :class:`UnknownNameError` on a text that cannot be read.
    """
    several = rows_of(run)
    if several is None:
        raise RunError(f"{run.path} has no front to pick from: its search ended in one architecture; leave --pick out.")
    rows, best = several
    if text == KNEE:
        return rows[best]
    if text.lstrip("-").isdigit():
        if not 0 <= int(text) < len(rows):
            raise RunError(f"The front of {run.path} has the indices 0 to {len(rows) - 1}, not {text}.")
        return rows[int(text)]
    limits = [_limit(part.strip(), rows[0]) for part in text.split(",") if part.strip()]
    if not limits:
        raise SettingError(f"'{text}' picks nothing; expected {_FORM}.")
    for row in rows:
        if all(sign * _numbers(row)[name] <= sign * value for name, sign, value in limits):
            return row
    reach = ", ".join(
        f"{name} from {min(own):,.6g} to {max(own):,.6g}"
        for name in dict.fromkeys(name for name, _, _ in limits)
        if (own := [_numbers(row)[name] for row in rows])
    )
    raise RunError(f"Nothing on the front of {run.path} has {text}; there is {reach}.")


def _limit(text: str, row: Mapping[str, Any]) -> tuple[str, float, float]:
    """(name, 1 for at most and -1 for at least, value) of ``max-NAME=VALUE`` or ``min-NAME=VALUE``."""
    left, equals, right = text.partition("=")
    kind, dash, name = left.strip().partition("-")
    if not equals or not dash or kind not in ("max", "min"):
        raise SettingError(f"'{text}' picks nothing; expected {_FORM}.")
    if name not in _numbers(row):
        raise UnknownNameError("number of a front's networks", name, _numbers(row))
    try:
        return name, 1.0 if kind == "max" else -1.0, number(right.strip())
    except ValueError:
        raise SettingError(f"'{right}' is no number; expected {_FORM}.") from None


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {"params": row["params"], "flops": row["flops"], **row["values"]}


__all__ = ["KNEE", "describe_front", "index_of", "pick", "place_of", "rows_of"]
