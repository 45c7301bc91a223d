"""The one loop: step, event, checkpoint, until the work is done, the user stops it, or the machine does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any

from nascence.errors import RunError
from nascence.runs import files
from nascence.runs.directory import SEARCH, RunDirectory, RunStage
from nascence.runs.progress import Progress
from nascence.runs.resumable import Resumable

CHECKPOINT_SECONDS = 2.0


class Interrupted(BaseException):
    """The user (SIGINT) or the system (SIGTERM) asked to stop; the run is saved. ``exit_code``: 130 or 143.

    No ``Exception``, like ``KeyboardInterrupt``, so that only who means it catches it.
    """

    def __init__(self, number: int, resume_command: str, how: str = " after a whole step; nothing is lost") -> None:
        super().__init__(f"Stopped{how}. Continue with: {resume_command}")
        self.exit_code = 128 + number


class Terminated(BaseException):
    """SIGTERM outside of the steps of a run, where the command line listens to it: whatever is under way ends, and
    cleans up behind itself."""


def execute(
    work: Resumable,
    run: RunDirectory,
    stage: RunStage = SEARCH,
    *,
    progress: Progress | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Continue ``work`` from the stage's checkpoint (or begin it) until it is done; returns its seconds of computing.

    Each step's event is appended to the stage's event file. A checkpoint follows every step, but no sooner than
    ``checkpoint_seconds`` after the last one. It knows how many events precede it, so that after a kill the events of
    lost steps are cut off and written again, the same. The caller holds :meth:`RunDirectory.locked`.

    The seconds, of ``clock``, add up over interruptions; a lost step counts once. Raises :class:`Interrupted` on SIGINT
    and SIGTERM, also in the last step, and :class:`RunError` when the directory cannot be written or its checkpoint
    does not fit.
    """
    seconds, count = _restore(work, run, stage)
    run.cut_events(stage, count)
    saved = steps_began = clock()
    if progress is not None:
        progress.begin(work.total_steps, work.steps_done)
    with run.writing(stage.events):
        log = open(files.open_growing(run.path / stage.events), "ab", buffering=0)  # noqa: SIM115 (closed below)
    with log, _stop_requests() as requested:
        try:
            while not work.done and not requested:
                event = work.advance()
                with run.writing(stage.events):
                    _append(log, files.json_line(event))
                count += 1
                now = clock()
                if work.done or requested or now - saved >= checkpoint_seconds:
                    with run.writing(stage.events):
                        os.fsync(log.fileno())
                    seconds, steps_began = seconds + now - steps_began, now
                    _save(work, run, stage, seconds, count)
                    saved = clock()
                if progress is not None:
                    progress.update(work.total_steps, work.steps_done, event)
        finally:
            if progress is not None:
                progress.end()
    if requested:  # in the last step, too: what comes after this run is to stop as well
        raise Interrupted(requested[0], run.resume_command)
    return seconds


def _append(log: FileIO, line: bytes) -> None:
    """All of ``line``: a nearly full device takes a part of it, and only the next attempt says why."""
    while line:
        line = line[log.write(line) or 0 :]


def _save(work: Resumable, run: RunDirectory, stage: RunStage, seconds: float, count: int) -> None:
    state = {"state": work.state_dict(), "seconds": seconds, "events": count, "done": work.done}
    run.write_tensors(stage.checkpoint, {**state, "steps_done": work.steps_done, "total_steps": work.total_steps})


def _restore(work: Resumable, run: RunDirectory, stage: RunStage) -> tuple[float, int]:
    """Seconds and events so far, after ``work`` got the checkpoint's state."""
    if not run.has(stage.checkpoint):
        return 0.0, 0
    saved = read_checkpoint(run, stage)
    try:
        work.load_state_dict(saved["state"])
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        raise RunError(f"{run.path / stage.checkpoint} does not fit this run's settings ({error!r}).") from error
    return saved["seconds"], saved["events"]


def read_checkpoint(run: RunDirectory, stage: RunStage) -> dict[str, Any]:
    """``{"state", "seconds", "events", "done", "steps_done", "total_steps"}``. Raises :class:`RunError`."""
    saved = run.read_tensors(stage.checkpoint)
    expected = {"state": dict, "seconds": float, "events": int, "done": bool, "steps_done": int, "total_steps": int}
    if not isinstance(saved, dict) or not all(isinstance(saved.get(key), kind) for key, kind in expected.items()):
        raise RunError(f"{run.path / stage.checkpoint} is damaged: it is no checkpoint of a run.")
    return saved


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """A list that receives the number of the first SIGINT or SIGTERM, which is acknowledged on stderr at once; the
    second one has its usual effect."""
    requested: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield requested  # only the main thread may listen to signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)  # a worker that ignores one of them goes on doing so
    before = {number: kept for number in numbers if (kept := signal.getsignal(number)) != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, frame: object) -> None:
        requested.append(number)
        restore()
        _acknowledge(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield requested
    finally:
        restore()


def _acknowledge(number: int) -> None:
    """Within a handler of signals, where ``print`` might find itself in the middle of another ``print``."""
    again = "Ctrl-C once more" if number == signal.SIGINT else "the same signal once more"
    line = f"Stopping after this step, which is kept; {again} stops at once.\n"
    with contextlib.suppress(OSError):  # nobody can read it
        os.write(2, f"\n{line}".encode() if os.isatty(2) else line.encode())


__all__ = ["CHECKPOINT_SECONDS", "Interrupted", "Terminated", "execute", "read_checkpoint"]
