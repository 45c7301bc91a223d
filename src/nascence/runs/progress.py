"""How far a long piece of work is: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, cast, final

from nascence.streams import Forgiving, plain

LINE_SECONDS = 10.0


class Progress(ABC):
    """Told by :func:`nascence.runs.execute` where the work stands, in steps. An event's ``warning`` is always shown."""

    @abstractmethod
    def begin(self, total: int, done: int) -> None: ...

    @abstractmethod
    def update(self, total: int, done: int, event: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def end(self) -> None: ...


def show_progress(title: str, unit: str = "steps", shown: Sequence[str] = ()) -> Progress:
    """A bar when stderr is a terminal, else lines; ``shown``: of each event, these numbers (none given: the first)."""
    return ProgressBar(title, unit, shown) if Forgiving(sys.stderr).isatty() else ProgressLines(title, unit, shown)


def tell(text: str) -> None:
    """A note beside the progress; where it cannot be written, the work goes on without it."""
    print(plain(text), file=Forgiving(sys.stderr), flush=True)


def named_progress(wanted: bool | str, title: str, unit: str = "steps", shown: Sequence[str] = ()) -> Progress | None:
    """What a ``progress`` argument asks for: nothing, :func:`show_progress` with ``title``, or with a title given."""
    return show_progress(title if wanted is True else wanted, unit, shown) if wanted else None


@final
class ProgressBar(Progress):
    """A rich bar, the count and the remaining time, which every terminal has room for; then title, rate and facts, as
    far as they go."""

    def __init__(self, title: str, unit: str = "steps", shown: Sequence[str] = (), file: IO[str] | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        self._rate = _Rate()
        self._unit, self._shown = unit, shown
        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self._bar = RichProgress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.description}{task.fields[rest]}", markup=False, table_column=rest),
            console=Console(file=file or cast(IO[str], Forgiving(sys.stderr))),
            expand=True,
        )
        self._task = self._bar.add_task(plain(title), total=None, rest="")

    def begin(self, total: int, done: int) -> None:
        self._rate.begin(done)
        self._bar.start()
        self._bar.update(self._task, total=total, completed=done)

    def update(self, total: int, done: int, event: Mapping[str, Any]) -> None:
        told = [f"{self._rate(done):.3g} {self._unit}/s", facts(event, self._shown)]
        rest = "".join(f", {part}" for part in told if part)
        self._bar.update(self._task, total=total, completed=done, rest=rest)
        if event.get("warning"):
            self._bar.console.print(plain(str(event["warning"])), markup=False, highlight=False)

    def end(self) -> None:
        self._bar.stop()


@final
class ProgressLines(Progress):
    """A line at the beginning, at most one in ``every`` seconds, and one at the end."""

    def __init__(
        self,
        title: str,
        unit: str = "steps",
        shown: Sequence[str] = (),
        file: IO[str] | None = None,
        every: float = LINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._unit, self._shown = title, unit, shown
        self._file, self._every, self._clock = file, every, clock
        self._rate = _Rate(clock)
        self._last = self._pending = ""
        self._printed = 0.0

    def begin(self, total: int, done: int) -> None:
        self._rate.begin(done)
        self._printed = self._clock()
        self._print(f"{self._title}: {f'continuing at {done}' if done else 'starting'}, {total} {self._unit}")

    def update(self, total: int, done: int, event: Mapping[str, Any]) -> None:
        if event.get("warning"):
            self._print(str(event["warning"]))
        rate = self._rate(done)
        remaining = duration((total - done) / rate) if rate > 0 else "unknown"
        share = f" ({done / total:.0%})" if total else ""
        known = facts(event, self._shown)
        self._pending = (
            f"{self._title}: {done}/{total} {self._unit}{share}, {rate:.3g}/s, {remaining} left"
            f"{', ' + known if known else ''}"
        )
        if self._clock() - self._printed >= self._every:
            self._printed = self._clock()
            self._print(self._pending)

    def end(self) -> None:
        if self._pending and self._pending != self._last:
            self._print(self._pending)

    def _print(self, line: str) -> None:
        self._last = line
        print(plain(line), file=self._file or Forgiving(sys.stderr), flush=True)


class _Rate:
    """Steps a second since the beginning of this process's share of the work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin(0)

    def begin(self, done: int) -> None:
        self._began, self._first = self._clock(), done

    def __call__(self, done: int) -> float:
        elapsed = self._clock() - self._began
        return (done - self._first) / elapsed if elapsed > 0 else 0.0


def facts(event: Mapping[str, Any], shown: Sequence[str] = ()) -> str:
    """The numbers called ``shown``, or the first three measured ones, short: ``loss 0.52, psnr 29.1``."""
    names = shown or [name for name, value in event.items() if isinstance(value, float)][:3]
    return ", ".join(f"{name.replace('_', ' ')} {event[name]:.4g}" for name in names if event.get(name) is not None)


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


__all__ = [
    "LINE_SECONDS",
    "Progress",
    "ProgressBar",
    "ProgressLines",
    "duration",
    "facts",
    "named_progress",
    "show_progress",
    "tell",
]
