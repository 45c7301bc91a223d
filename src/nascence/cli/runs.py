"""``nascence runs``: list, show, resume and delete runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nascence.cli import options, search, train
from nascence.cli.output import emit, facts, human, table
from nascence.errors import RunError
from nascence.runs.listing import USUAL

app = typer.Typer(help="List, show, resume and delete runs.", rich_markup_mode=None)


@app.command("list")
def list_command(
    root: Annotated[Path, typer.Argument(help="Where to look, up to three levels deep.")] = USUAL,
    json: options.Json = False,
) -> None:
    """List the runs there are, and how far each is."""
    from nascence.runs import list_runs

    found = list_runs(root)
    if json:
        emit({"runs": found})
        return
    console = human(json)
    if not found:
        console.print(f"There are no runs in {root}; 'nascence search' makes one.", markup=False)
        return
    columns = ("run", "kind", "method", "space", "state", "steps", "result")
    rows = []
    for entry in found:
        steps = f"{entry['stage']} {entry['steps_done']}/{entry['total_steps'] or '?'}" if "stage" in entry else None
        result = entry.get("result")
        told = None if result is None else f"{result['metric']} {result['value']:.2f} {result['unit']}"
        rows.append([*(entry.get(name) for name in columns[:5]), steps, told])
    table(console, columns, rows)
    for entry in found:
        if "problem" in entry:
            console.print(entry["problem"], markup=False)


@app.command("show")
def show_command(run: options.Run, json: options.Json = False) -> None:
    """Show one run: its settings, how far it is, what it found."""
    from nascence.runs import RunDirectory, summary

    opened = RunDirectory.open(run)
    known = summary(opened)
    results = {
        name.partition(".")[0]: opened.read_json(name)
        for name in ("architecture.json", "metrics.json")
        if opened.has(name)
    }
    if json:
        emit({**known, "config": opened.config, **{f"{name}_file": value for name, value in results.items()}})
        return
    console = human(json)
    facts(console, str(run), [(_words(name), _text(value)) for name, value in known.items() if name != "run"])
    parts = [name for name, value in opened.config.items() if isinstance(value, dict) and name != "task"]
    hidden = {"task", *parts, *known}
    rows = [(_words(name), _text(value)) for name, value in opened.config.items() if name not in hidden]
    facts(console, "Configuration", rows)
    for name in parts:
        values = [(_words(key), _text(value)) for key, value in opened.config[name].items()]
        if any(value is not None for _, value in values):
            facts(console, _words(name).capitalize(), values)


@app.command("resume")
def resume_command(
    run: options.Run,
    device: options.MaybeDevice = None,
    trust: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Continue a stopped search or training from its directory; it ends as if it had never been stopped."""
    from nascence.api import resume
    from nascence.runs import RunDirectory

    console = human(json)
    stages = resume(run, device=device)
    opened = RunDirectory.open(run)
    if not stages:
        console.print(f"{run} is finished; there is nothing to resume.", markup=False)
    elif "training" in stages:
        train.show(console, run, opened.read_json("metrics.json"))
    else:
        search.show(console, run, opened.read_json("architecture.json"))
    if json:
        names = [name for name in ("architecture.json", "metrics.json") if opened.has(name)]
        results = {name.partition(".")[0]: opened.read_json(name) for name in names}
        emit({"run": str(run), "resumed": stages, **results})


@app.command("delete")
def delete_command(
    run: options.Run,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Delete a run with everything in it."""
    from nascence.runs import RunDirectory, delete_run

    RunDirectory.open(run)
    if not yes:
        if json or not sys.stdin.isatty():
            raise RunError(
                f"Deleting cannot be undone; to delete {run}, type: nascence runs delete {shlex.quote(str(run))} --yes"
            )
        typer.confirm(f"Delete {run} with everything in it?", abort=True, err=True)
    delete_run(run)
    human(json).print(f"Deleted {run}.", markup=False)
    if json:
        emit({"deleted": str(run)})


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str | None:
    """A value of a configuration for people; None where there is nothing to say."""
    if value is None or value == {}:
        return None
    if isinstance(value, dict):
        shown = (f"{_words(name)} {_text(part)}" for name, part in value.items() if part is not None)
        return ", ".join(shown)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
