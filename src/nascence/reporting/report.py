"""One self-contained page about a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from nascence.errors import NascenceError, RunError
from nascence.reporting import sections
from nascence.reporting.attacked import attacked
from nascence.reporting.classes import confusion
from nascence.reporting.cloud import random_cloud
from nascence.reporting.contents import Contents
from nascence.reporting.ensemble import ensemble
from nascence.reporting.front import front
from nascence.reporting.markup import element, escape
from nascence.reporting.own import own_network
from nascence.reporting.policy import policy
from nascence.reporting.tuning import tuning
from nascence.reporting.without_edges import without_edges
from nascence.runs import files
from nascence.version import __version__
from nascence.writing import check_writable


def write_report(
    run: str | Path,
    out: str | Path | None = None,
    *,
    cloud: Mapping[str, Any] | None = None,
    cloud_size: int = 200,
    score_seconds: float = 15.0,
) -> Path:
    """Write ``report.html`` into the run directory, or to ``out``, and return where it is.

    The page loads nothing from anywhere. It shows what the run holds: search, training, exports. The cloud of random
    architectures is ``cloud`` (as :func:`nascence.reporting.random_cloud` makes it), else the run's
    ``random_cloud.json``, else it is computed, with scores as far as ``score_seconds`` reach, and kept there;
    ``cloud_size`` 0 leaves it out. Raises :class:`nascence.errors.RunError` and
    :class:`nascence.errors.ArchitectureError`.
    """
    contents = Contents.read(run)
    path = Path(out) if out is not None else contents.path / "report.html"
    with files.explained(path):
        check_writable(path)
    shown = cloud if cloud is not None else contents.cloud
    if shown is None and cloud_size > 0:
        shown = random_cloud(contents, cloud_size, score_seconds)
        if shown is not None:
            with suppress(OSError):  # a run that cannot be written to is told of all the same
                files.write_json(contents.path / "random_cloud.json", shown)
    with files.explained(path):
        files.write_bytes(path, page(contents, shown).encode(errors="backslashreplace"))
    return path


def renew_report(run: Path) -> None:
    """Where ``report.html`` is in the run directory, write it anew, since the run has changed; where that fails, remove
    it, since it is true no more."""
    path = run / "report.html"
    if not path.is_file() or path.is_symlink():
        return
    try:
        write_report(run, cloud_size=0)
    except (NascenceError, OSError):
        with suppress(OSError):
            path.unlink()


def page(run: Contents, cloud: Mapping[str, Any] | None) -> str:
    """The whole page as text. Raises :class:`RunError` where the run's files do not belong together."""
    try:
        return _page(run, cloud)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, NascenceError):
            raise
        raise RunError(
            f"{run.path} cannot be reported: its files do not belong together ({type(error).__name__}:"
            f" {' '.join(str(error).split())[:200]})."
        ) from error


def _page(run: Contents, cloud: Mapping[str, Any] | None) -> str:
    style = package_files("nascence.reporting").joinpath("templates/report.css").read_text(encoding="utf-8")
    title = f"{os.path.basename(os.path.realpath(run.path))}: found by {run.record.get('method') or 'hand'}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", escape(title)),
        element("style", "\n", style),
    )
    parts = (
        sections.header(run),
        sections.network(run),
        own_network(run),
        front(run),
        ensemble(run),
        sections.search(run),
        policy(run),
        sections.cloud(run, cloud),
        tuning(run),
        sections.training(run),
        without_edges(run),
        confusion(run),
        attacked(run),
        sections.exports(run),
        sections.benchmark(run),
        sections.reproduction(run),
    )
    footer = element("footer", escape(f"Written by Nascence {__version__}. This page loads nothing from the network."))
    body = element("body", "\n", element("main", "\n", "\n".join(part for part in parts if part), "\n", footer))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


__all__ = ["page", "renew_report", "write_report"]
