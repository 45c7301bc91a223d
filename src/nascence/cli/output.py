"""What a command prints: one JSON object on stdout with --json, words for people otherwise."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nascence.runs.files import finite
from nascence.streams import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderHook


_WIDTH = 200
"""Of a line where no terminal limits it: files and pipes should not lose text."""


def human(json_wanted: bool) -> Console:
    """Where words go: stdout, or stderr when stdout belongs to JSON. What a terminal would obey is not passed on."""
    from rich.console import Console

    file = sys.stderr if json_wanted else sys.stdout
    console = Console(file=file, width=None if file.isatty() else _WIDTH, highlight=False, soft_wrap=True)
    console.push_render_hook(_plain_texts())
    return console


def _plain_texts() -> RenderHook:
    from rich.console import ConsoleRenderable, RenderHook
    from rich.text import Text

    class PlainTexts(RenderHook):
        """Text as :func:`plain` makes it, before it gets its colours."""

        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            for each in renderables:
                if isinstance(each, Text):
                    each.plain = plain(each.plain)
            return renderables

    return PlainTexts()


def emit(value: Mapping[str, Any]) -> None:
    """The one JSON object of a command, on stdout. Raises ``OSError``."""
    print(json.dumps(finite(value), allow_nan=False), flush=True)


def facts(console: Console, title: str, rows: Iterable[tuple[str, object]]) -> None:
    """A title and two columns, name and value; rows without a value are left out."""
    from rich.markup import escape

    shown = [(escape(plain(name)), str(value)) for name, value in rows if value is not None]
    console.print(f"[bold]{escape(title)}[/]")
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        console.print(f"  {name:{width}}  {escape(value)}")


def table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; None is an empty cell."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(Text(plain(name)), overflow="fold")
    for row in rows:
        shown.add_row(*(Text("" if value is None else plain(str(value))) for value in row))
    console.print(shown, soft_wrap=False)


def commands(console: Console, *lines: tuple[str, str]) -> None:
    """What to type next: pairs of a command and what it does."""
    from rich.markup import escape

    width = max(len(command) for command, _ in lines)
    console.print("Next:")
    for command, purpose in lines:
        console.print(f"  [cyan]{escape(command.ljust(width))}[/]  {escape(purpose)}")


def count(value: float) -> str:
    """``73,306``, ``1.53 M``: to three digits from a million on."""
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:,.0f}"


__all__ = ["commands", "count", "emit", "facts", "human", "table"]
