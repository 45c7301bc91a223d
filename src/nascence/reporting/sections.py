"""The parts of a report, each from what a run holds; a part without material is empty text."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nascence.costs.runtimes import runtime_title
from nascence.reporting.cell import cell_svgs, operation_label
from nascence.reporting.charts import Point, Series, heat_map, line_chart, scatter_chart
from nascence.reporting.contents import Contents, Event
from nascence.reporting.diagram import diagram
from nascence.reporting.markup import duration, element, escape, number, paragraph, quantity, readable, table
from nascence.reporting.mixing import epochs_of, mixing
from nascence.spaces import get_space

_MOST_CHARTS = 6


def header(run: Contents) -> str:
    """What was found, in one sentence and in tiles."""
    record, metrics = run.record, run.metrics
    size = f"{record['params']:,} parameters" if "params" in record else "unknown size"
    trained = f" tells {len(run.class_names)} classes of {_data(run)} apart with " if run.class_names else " reaches "
    if metrics:
        count = metrics.get(f"test_{run.examples}")
        tested = "" if count is None else f" on {count:,} test {run.examples}"
        result = f"{trained}{_metric(run)}{tested} after {_count(metrics.get('epochs'), 'epoch')}."
    else:
        result = "; it is not trained yet, so nothing is known of how good it is."
    found = f"A network of {size}" + (
        f" and {quantity(record['flops'], 'FLOPs')} per {_one(run)}" if "flops" in record else ""
    )
    seconds = record.get("search_seconds")
    method = str(record.get("method") or "")
    how = f"Found by {method} in {duration(seconds)}" if seconds is not None else "Given by hand, not searched"
    caution = f"{how}: one run with seed {record.get('seed', 0)}. Another seed may find another network."
    return element(
        "header",
        paragraph(f"{method or 'network'} · {run.architecture.space} · {_data(run)}", "kicker"),
        element("h1", escape(os.path.basename(os.path.realpath(run.path)))),
        paragraph(found + result, "lead"),
        paragraph(caution, "note"),
        _tiles(run),
    )


def _tiles(run: Contents) -> str:
    record, metrics, task = run.record, run.metrics or {}, run.config.get("task") or {}
    tiles: list[tuple[str, str, str]] = []
    if metrics:
        name = readable(run.metric["name"])
        tiles.append((f"Test {name}", str(run.result), f"measured on {run.examples} not trained on"))
    if "params" in record:
        tiles.append(("Parameters", quantity(record["params"]), "counted"))
    if "flops" in record:
        tiles.append(("FLOPs", quantity(record["flops"]), f"per {_one(run)}, counted, 2 × multiply-adds"))
    fastest = min((entry["milliseconds"] for entry in _latencies(run)), default=None)
    if fastest is not None:
        tiles.append(("Latency", f"{fastest:.2f} ms", "measured, ONNX Runtime, fastest below"))
    if record.get("latency_ms") is not None:
        about = record.get("latency") or {}
        limit = (run.config.get("budget") or {}).get("max_latency_ms")
        told = f"as it was found, in {runtime_title(about)}" + (f"; limit {limit:g} ms" if limit is not None else "")
        noise = f"; disturbed by other work: {about['disturbed']}" if about.get("disturbed") else ""
        tiles.append(("Latency", f"{record['latency_ms']:.3g} ms", told + noise))
    if record.get("search_seconds") is not None:
        tiles.append(("Search", duration(record["search_seconds"]), "computing time"))
    if "seconds" in metrics:
        tiles.append(("Training", duration(metrics["seconds"]), _count(metrics.get("epochs"), "epoch")))
    if run.class_names:
        count = task.get(f"train_{run.examples}")
        training = "" if count is None else f"{count:,} training {run.examples}"
        tiles.append(("Classes", str(len(run.class_names)), training))
    items = [
        element("div", element("dt", escape(a)), element("dd", escape(b), element("small", escape(c))), class_="tile")
        for a, b, c in tiles
    ]
    return element("dl", *items, class_="tiles")


def _metric(run: Contents) -> str:
    """A share in percent goes before the metric's name, any other value behind it: ``psnr 29.10 dB``."""
    name = readable(run.metric["name"])
    return f"{run.result} {name}" if run.metric["unit"] == "%" else f"{name} {run.result}"


def _one(run: Contents) -> str:
    """What FLOPs are counted for."""
    signature = run.signature
    return "graph" if signature is not None and signature.domain == "graph" else "image"


def network(run: Contents) -> str:
    """The cell, drawn; for other spaces the choices as a table."""
    space = get_space(run.architecture.space)
    parts, cells = [], space.as_cells
    if cells is not None:
        explanation = "Each node adds up what its arrows bring; an arrow carries the operation written on it."
        if any("none" in cell.values() for cell in cells.edge_operations(run.architecture).values()):
            explanation += " Dashed arrows carry nothing."
        parts.append(paragraph(explanation, "note"))
        drawings = cell_svgs(space, run.architecture)
        for kind, drawing in drawings.items():
            parts.append(element("h3", escape(f"{kind.capitalize()} cell")) if len(drawings) > 1 else "")
            parts.append(element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=f"{kind} cell"))
    elif (boxes := space.diagram(run.architecture)) is not None:
        parts.append(paragraph("Boxes compute from what their arrows bring; every layer hears its neighbours.", "note"))
        parts.append(element("div", diagram(boxes), class_="scroll", tabindex=0, role="region", aria_label="network"))
    else:
        names = [choice.name for choice in space.choices]
        parts.append(table(("choice", "answer"), zip(names, run.architecture.answers, strict=True)))
    parts.append(element("p", element("code", escape(run.architecture))))
    index = run.record.get("index")
    if index is not None:
        parts.append(paragraph(f"Number {index:,} of the space's {space.size:,} architectures.", "note"))
    return section("The network", *parts)


def search(run: Contents) -> str:
    """How the search went: what was left after each round, and every number that its events hold."""
    if not run.events:
        return ""
    rounds = [event for event in run.events if isinstance(event.get("remaining"), Mapping)]
    parts = [
        paragraph(f"{len(run.events)} steps, {duration(run.record.get('search_seconds') or 0)} of computing.", "note")
    ]
    epochs = epochs_of(run.events)
    if epochs:
        skip: tuple[str, ...] = ("epoch", "stage", "step", "none_share")
        charts = numeric_charts(epochs, skip=skip, x_label="epoch", x_name="epoch")
    else:
        skip = ("round", "draw", "step", "steps_done", "generation")
        charts = numeric_charts(run.events, skip=skip, x_label="step")
    if charts:
        parts.append(charts)
    parts += mixing(run)
    parts += _remaining(run, rounds)
    logged = epochs or run.events
    if len(logged) <= 400:
        parts.append(_log(logged))
    return section("How the search went", *parts)


def _remaining(run: Contents, rounds: Sequence[Event]) -> Iterable[str]:
    """Per kind of cell: how many operations were left on each edge after each round."""
    if not rounds:
        return
    cells = get_space(run.architecture.space).as_cells
    full = None if cells is None else len(cells.operations)
    for kind in rounds[0]["remaining"]:
        edges = list(rounds[0]["remaining"][kind])
        counts = [[_left(event["remaining"].get(kind, {}).get(edge)) for event in rounds] for edge in edges]
        most = full or max((len(names) for row in counts for names in row), default=1) or 1
        shades = [[len(names) / most for names in row] for row in counts]
        texts = [[str(len(names)) for names in row] for row in counts]
        yield element("h3", escape("Operations left on each edge after each round" + _of(kind, rounds)))
        columns = [str(event.get("round", at) + 1) for at, event in enumerate(rounds)]
        title = f"Operations left per edge and round, {kind} cell"
        drawing = heat_map(title, edges, columns, shades, texts, column_label="round", cell=34)
        yield element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=title)
        rows = [
            (edge, ", ".join(map(operation_label, row[-1])) or "nothing")
            for edge, row in zip(edges, counts, strict=True)
        ]
        yield element("details", element("summary", "What was left in the end"), table(("edge", "operations"), rows))


def _left(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def _of(kind: str, rounds: Sequence[Event]) -> str:
    return f", {kind} cell" if len(rounds[0]["remaining"]) > 1 else ""


def _log(events: Sequence[Event]) -> str:
    names = [
        name
        for name in dict.fromkeys(name for event in events for name in event)
        if name not in ("remaining", "weights")
    ]
    rows = [(at + 1, *(_value(event.get(name)) for name in names)) for at, event in enumerate(events)]
    return element(
        "details", element("summary", "Every step"), table(("step", *(readable(name) for name in names)), rows)
    )


def _value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{len(value)} entries" if len(value) > 3 else ", ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items() if not isinstance(part, list | Mapping))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def numeric_charts(
    events: Sequence[Event], *, skip: Sequence[str] = (), x_label: str, x_name: str | None = None
) -> str:
    """A small chart per number in the events; ``train_loss`` and ``test_loss`` share one."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for event in events for name in event):
        values = [event.get(name) for event in events]
        if name in (*skip, x_name) or not any(_is_number(value) for value in values):
            continue
        groups.setdefault(_family(name), []).append(name)
    drawn = []
    for family, names in groups.items():
        series = []
        for name in names:
            pairs = [(_at(event, x_name, at), event.get(name)) for at, event in enumerate(events)]
            kept = [(x, float(y)) for x, y in pairs if y is not None and _is_number(y)]
            series.append(Series(readable(name), [x for x, _ in kept], [y for _, y in kept]))
        if max(len(one.xs) for one in series) < 2 or all(len(set(one.ys)) == 1 for one in series):
            continue
        title = readable(names[0]) if len(names) == 1 else family.capitalize()
        drawn.append(line_chart(title, series, x_label))
    return element("div", *drawn[:_MOST_CHARTS], class_="charts") if drawn else ""


def _at(event: Event, x_name: str | None, at: int) -> float:
    value = event.get(x_name) if x_name else None
    return float(value) if value is not None and _is_number(value) else float(at + 1)


def _family(name: str) -> str:
    first, _, rest = name.partition("_")
    if name in ("trace", "nu"):
        return "kernel trace and its limit"
    return rest if first in ("train", "test", "validation", "supernet", "derived") and rest else name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def cloud(run: Contents, points: Mapping[str, Any] | None) -> str:
    """Scores and costs of the found architecture against random ones."""
    if not points or not points.get("points"):
        return ""
    found, others = points["found"], points["points"]
    charts = [_scatter("FLOPs and parameters", found, others, "flops", "FLOPs per image")]
    scored = [point for point in others if point.get("scores")]
    for name in found.get("scores", {}):
        charts.append(_scatter(f"{readable(name)} and parameters", found, scored, name, readable(name)))
    text = f"Grey: {len(others)} random architectures of the same space and size (seed {points.get('seed', 0)}). "
    text += "Parameters and FLOPs are counted. "
    if scored:
        draws = _count(points.get("draws"), "draw")
        text += (
            f"Scores are computed on untrained networks, means over {draws} of weights and images, for {len(scored)} "
        )
        text += "of the random ones: they predict, they do not measure."
    if points.get("note"):
        text += f" {points['note']}"
    rows = [
        row for row in (_rank(name, found, others) for name in ("params", "flops", *found.get("scores", {}))) if row
    ]
    ranks = table(("value", "found network", "random: lowest", "median", "highest", "random ones below"), rows)
    return section(
        "Beside random architectures", paragraph(text, "note"), element("div", *charts, class_="charts"), ranks
    )


def _scatter(title: str, found: Mapping[str, Any], others: Sequence[Mapping[str, Any]], name: str, label: str) -> str:
    points = [Point(float(p["params"]), y, str(p["architecture"])) for p in others if (y := _get(p, name)) is not None]
    own = _get(found, name)
    if own is not None:
        points.append(Point(float(found["params"]), own, "found", mark=True))
    return scatter_chart(title, points, "parameters", label)


def _get(point: Mapping[str, Any], name: str) -> float | None:
    value = point.get(name, (point.get("scores") or {}).get(name))
    return float(value) if _is_number(value) else None


def _rank(name: str, found: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> tuple[Any, ...] | None:
    own, values = _get(found, name), sorted(value for point in others if (value := _get(point, name)) is not None)
    if own is None or not values:
        return None
    shown = [own, values[0], values[len(values) // 2], values[-1]]
    below = sum(value < own for value in values)
    return readable(name), *(quantity(value) for value in shown), f"{below} of {len(values)}"


def training(run: Contents) -> str:
    """Curves of the training."""
    if not run.training:
        return ""
    skipped = ("seconds", f"{run.examples}_per_second", "best_epoch")
    charts = numeric_charts(run.training, skip=skipped, x_label="epoch", x_name="epoch")
    metrics, last = run.metrics or {}, run.training[-1]
    text = f"{_count(len(run.training), 'epoch')}"
    text += f" in {duration(metrics['seconds'])}" if "seconds" in metrics else ", not finished yet"
    watched = metrics.get("validation")
    judged = "validation" if watched or "best_epoch" in last else "test"
    text += f". Training values are running means under augmentation, {judged} values are measured after each epoch."
    if watched:
        text += (
            f" The network kept is that of epoch {watched['best_epoch']}, the best of {metrics['epochs']} by"
            f" {readable(watched['metric'])} on {watched[run.examples]:,} validation {run.examples};"
            f" the test {run.examples} judged it once."
        )
        if metrics["epochs"] < watched["of_epochs"]:
            text += f" Of {watched['of_epochs']} epochs the rest was left out, since none of the last was better."
    elif run.metrics and f"test_{run.metric['name']}" in last:
        text += f" The {readable(run.metric['name'])} reported is that of the last epoch, not of the best."
    steady = [name for name in last if name not in ("epoch",)]
    rows = [
        (event.get("epoch", at + 1), *(_value(event.get(name)) for name in steady))
        for at, event in enumerate(run.training)
    ]
    each = table(("epoch", *(readable(name) for name in steady)), rows)
    return section(
        "Training", paragraph(text, "note"), charts, element("details", element("summary", "Every epoch"), each)
    )


def exports(run: Contents) -> str:
    """Exported files: how far their outputs are from the original's, and how fast they are."""
    if not run.exports:
        return ""
    rows: list[tuple[Any, ...]] = []
    times: list[tuple[Any, ...]] = []
    for name, entry in run.exports.items():
        sizes = ", ".join(map(str, entry.get("batch_sizes", [])))
        gap, scale = entry.get("max_difference"), entry.get("output_scale")
        rows.append(
            (
                name,
                entry.get("path", ""),
                "" if gap is None else f"{gap:.1e}",
                "" if scale is None else number(scale),
                sizes,
            )
        )
        for latency in entry.get("latencies", []):
            threads = latency["threads"] or "default"
            times.append((latency["runtime"], latency["batch_size"], threads, f"{latency['milliseconds']:.3g} ms"))
    note = "Measured on random images: the largest difference of any output from the trained PyTorch network."
    parts = [paragraph(note, "note"), table(("format", "file", "difference", "largest output", "batch sizes"), rows)]
    if times:
        parts.append(element("h3", "Latency"))
        parts.append(
            paragraph("Median time of one call on the machine of the export; measured, not predicted.", "note")
        )
        parts.append(table(("runtime", "batch", "threads", "time per batch"), dict.fromkeys(times)))
    return section("Exported files", *parts)


def benchmark(run: Contents) -> str:
    """What a tabular benchmark says of the architecture."""
    known = run.record.get("table")
    if not known:
        return ""
    text = f"From {known.get('source', 'a tabular benchmark')}: accuracies that others measured by training this "
    text += f"architecture on the data named; {known.get('note', 'for evaluation only')}."
    rows = [
        (readable(name), f"{value:.2f}" if _is_number(value) else value)
        for name, value in known.get("values", {}).items()
    ]
    return section("What the benchmark table says", paragraph(text, "note"), table(("column", "value"), rows))


def reproduction(run: Contents) -> str:
    """Commands, versions and the whole configuration."""
    versions = [
        (name, run.config[name]) for name in ("nascence", "python", "torch", "created", "threads") if name in run.config
    ]
    machine = run.config.get("machine")
    if machine:
        versions.append(("machine", machine if isinstance(machine, str) else _value(machine)))
    whole = element(
        "details", element("summary", "The whole configuration"), element("pre", escape(run.canonical_json()))
    )
    commands_ = element("pre", element("code", escape("\n".join(commands(run)))))
    table_ = table(("", "version"), versions)
    return section("To do it again", commands_, table_, whole)


def commands(run: Contents) -> list[str]:
    """The commands that led to this run, with every setting that was chosen."""
    config, path = run.config, shlex.quote(str(run.path))
    searched = config.get("kind") == "search"
    common = _options(config, "space", "data", "image_size", "threads")
    common += _options(config.get("network") or {}, "channels", "depth")
    trained = config.get("training") or {}
    recipe = [*_options(trained, "preset", "seed"), *_policy(run), *_settings(trained.get("settings"))]
    lines = []
    if searched:
        limits = config.get("budget") or {}
        own = [*_options(config, "method", "seed"), *_options(limits, *limits)]
        if limits.get("max_latency_ms") is not None:
            own += _options({"runtime": config.get("runtime", "torch")}, "runtime")  # before a choice, it was PyTorch
        drawn = config.get("ensemble_of")
        to = path if drawn is None else shlex.quote(str(drawn["run"]))
        lines.append(_command("nascence search", [*own, *common, *_settings(config.get("settings")), f"--out {to}"]))
        if drawn is not None:
            given = ", ".join(f"{name}={value!r}" for name, value in drawn.items() if name != "run")
            call = f"draw_ensemble({drawn['run']!r}, {str(run.path)!r}, {given})"
            lines.append(f"python -c {shlex.quote(f'import nascence; nascence.{call}')}")
    if trained and searched:
        at = (run.record.get("front") or {}).get("index")
        picked = [] if at is None else [f"--pick {at}"]
        lines.append(_command(f"nascence train {path}", [*picked, *recipe]))
    elif trained:
        target = f"nascence train {shlex.quote(str(run.architecture))}"
        lines.append(_command(target, [*common, *recipe, f"--out {path}"]))
    lines += [f"nascence export {path} --format {shlex.quote(name)}" for name in run.exports]
    return [*lines, f"nascence report {path}"]


def _policy(run: Contents) -> list[str]:
    """Where the training used another policy than the one that the search found: that of this run, or none."""
    trained = run.config.get("training") or {}
    found, used = run.record.get("policy"), trained.get("policy")
    if not trained or used == found:
        return []
    return ["--policy none"] if used is None else [f"--policy {shlex.quote(str(run.path))}"]


def _options(values: Mapping[str, Any], *names: str) -> list[str]:
    """``--some-name value`` for every value that is there."""
    given = [(name, values.get(name)) for name in names if values.get(name) is not None]
    return [f"--{shlex.quote(name.replace('_', '-'))} {shlex.quote(_typed(value))}" for name, value in given]


def _settings(values: Mapping[str, Any] | None) -> list[str]:
    return [f"--set {shlex.quote(name)}={shlex.quote(_typed(value))}" for name, value in (values or {}).items()]


def _command(start: str, options: Sequence[str]) -> str:
    return " \\\n    ".join([start, *options])


def _typed(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_typed, value))
    return "none" if value is None else str(value)


def section(title: str, *parts: str) -> str:
    name = title.lower().replace(" ", "-")
    return element("section", element("h2", escape(title), id=name), *parts, aria_labelledby=name)


def _data(run: Contents) -> str:
    return str(run.record.get("data") or run.config.get("data") or "data").rstrip("/").rsplit("/", 1)[-1]


def _count(value: Any, noun: str) -> str:
    return f"{value:,} {noun}{'' if value == 1 else 's'}" if isinstance(value, int) else f"some {noun}s"


def _latencies(run: Contents) -> list[Mapping[str, Any]]:
    entries = (run.exports.get("onnx") or {}).get("latencies", [])
    return [entry for entry in entries if entry["runtime"] == "ONNX Runtime" and entry["batch_size"] == 1]
