"""The part of a report about an augmentation policy: what it does, how often, and to what real pictures become."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from nascence.errors import MissingExtraError
from nascence.reporting.charts import Series, line_chart
from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, escape, paragraph, table
from nascence.reporting.sections import section
from nascence.seeding import generator
from nascence.tasks.image_operations import IMAGE_OPERATIONS
from nascence.tasks.policy import Policy
from nascence.tasks.restoration.encoding import encode_png

_SIDE = 56
_DRAWN = 4
"""Operations that gained most, and as many that lost most, over time."""


@final
@dataclass(frozen=True)
class Use:
    """How a policy uses an operation: ``share`` of its steps, the ``chance`` that such a step is applied, its mean
    ``strength``; all in [0, 1]."""

    name: str
    share: float
    chance: float
    strength: float


def uses(policy: Policy) -> list[Use]:
    """Of every operation that may be drawn, the commonest first; sub-policies count by their weights."""
    sums: dict[str, list[float]] = {}
    for each in policy.sub_policies:
        for name, chance, strength in each.steps:
            own = sums.setdefault(name, [0.0, 0.0, 0.0])
            for at, value in enumerate((1.0, chance, strength)):
                own[at] += each.weight * value / len(each.steps)
    total = sum(own[0] for own in sums.values())
    found = [Use(name, own[0] / total, own[1] / own[0], own[2] / own[0]) for name, own in sums.items() if own[0] > 0]
    return sorted(found, key=lambda use: -use.share)


def policy(run: Contents) -> str:
    """The policy that the search found and the one that the training used, which mostly are the same."""
    found, used = run.record.get("policy"), (run.config.get("training") or {}).get("policy")
    if not found and not used:
        return ""
    parts = []
    if found:
        trained = run.metrics is not None
        after = " The training used it." if used == found else " The training did not use it." if trained else ""
        parts += [paragraph(f"Found by the search.{after}"), *_told(run, found)]
        parts += _over_time(run)
    if used and used != found:
        parts += [
            paragraph("Used by the training, and given to it: not found by this run's search."),
            *_told(run, used),
        ]
    return section("The augmentation policy", *parts)


def _told(run: Contents, value: Mapping[str, Any]) -> Iterable[str]:
    whole = Policy.from_json(value)
    listed = uses(whole)
    note = (
        "Training images are changed by one sub-policy each. Drawn: the operation's share of all steps; applied: how "
    )
    note += "often, where it was drawn; strength: the mean, of 0 to 1."
    pictures = _pictures(run, listed)
    if pictures is not None:
        note += " The pictures are the data's own, before, and after the operation was applied at that strength."
    yield paragraph(note, "note")
    head = ["operation", "drawn", "applied", "strength", "" if pictures is None else "before, after"]
    titles = "".join(element("th", escape(title), scope="col") for title in head if title)
    rows = []
    for at, use in enumerate(listed):
        numbers = (f"{100 * use.share:.1f} %", f"{100 * use.chance:.0f} %", f"{use.strength:.2f}")
        cells = [element("td", escape(use.name)), *(element("td", escape(n), class_="number") for n in numbers)]
        rows.append(element("tr", *cells, "" if pictures is None else element("td", pictures[at])))
    body = element("table", element("thead", element("tr", titles)), element("tbody", *rows))
    yield element("div", body, class_="scroll", tabindex=0, role="region", aria_label="operations of the policy")
    total = sum(each.weight for each in whole.sub_policies)
    shown = sorted(whole.sub_policies, key=lambda each: -each.weight)[:50]
    lines = [
        (f"{100 * each.weight / total:.2f} %", ", then ".join(f"{n} ({c:.2f}, {s:.2f})" for n, c, s in each.steps))
        for each in shown
    ]
    of = "" if len(shown) == len(whole.sub_policies) else f", the likeliest {len(shown)}"
    summary = f"{len(whole.sub_policies)} sub-policies{of}: operation (chance, strength)"
    yield element("details", element("summary", escape(summary)), table(("share", "steps"), lines))


def _pictures(run: Contents, listed: Sequence[Use]) -> list[str] | None:
    """For every operation the examples as they are and as they become; None where there are none, or no kornia."""
    if run.examples_kept is None:
        return None
    kept = run.examples_kept
    pixels = np.frombuffer(base64.b64decode(kept["pixels"]), np.uint8)[: math.prod(kept["shape"])]
    x_NCHW = torch.from_numpy(pixels.copy()).reshape(kept["shape"]).float() / 255
    before = [_image(x_CHW, "before") for x_CHW in x_NCHW]
    made = []
    for use in listed:
        try:
            y_NCHW = IMAGE_OPERATIONS.get(use.name)(x_NCHW, use.strength, generator(0, "report", use.name))
        except MissingExtraError:
            return None
        after = [_image(x_CHW, f"after {use.name}") for x_CHW in y_NCHW]
        made.append("".join(one + two for one, two in zip(before, after, strict=True)))
    return made


def _image(x_CHW: Tensor, said: str) -> str:
    data = base64.b64encode(encode_png((255 * x_CHW).round().clamp(0, 255).to(torch.uint8).numpy())).decode()
    gap = "margin-right:10px" if said != "before" else "margin-right:2px"
    style = f"image-rendering:pixelated;{gap}"
    return element("img", src=f"data:image/png;base64,{data}", alt=said, width=_SIDE, height=_SIDE, style=style)


def _over_time(run: Contents) -> Iterable[str]:
    events = [event["policy"] for event in run.events if isinstance(event.get("policy"), Mapping)]
    if len(events) < 2:
        return
    gains = sorted(events[-1], key=lambda name: events[-1][name] - events[0].get(name, 0.0))
    names = list(dict.fromkeys([*reversed(gains[-_DRAWN:]), *gains[:_DRAWN]]))
    xs = [float(at + 1) for at in range(len(events))]
    series = [Series(name, xs, [float(event.get(name, 0.0)) for event in events]) for name in names]
    title = f"Probability of operations: the {_DRAWN} that gained most, and the {_DRAWN} that lost most"
    yield line_chart(title, series, "epoch", log=False)


__all__ = ["Use", "policy", "uses"]
