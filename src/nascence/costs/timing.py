"""Times of calls on a machine that others may use too: in turns, with what disturbed them.

Other work shows in two ways. A pass that was interrupted took longer than the processor worked on it, which a thread's
processor time says; its processor time then stands for it. And what shares the processor's caches or its clock slows
down everything alike, which a reference call, timed in every turn, says.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

Call = Callable[[], object]

INTERRUPTED = 1.1
"""A pass that took longer than so many times its processor time, and :data:`_UNSURE_MS` more, was interrupted."""
MANY = 0.5
"""From this share of interrupted passes on, a measurement counts as disturbed."""
SLOWER = 1.3
"""A measurement counts as disturbed when the reference took so many times as long as in its quickest turn, in a quarter
of the turns or more."""
TRIES = 3
"""How often a disturbed measurement is repeated; the calmest one counts."""
_UNSURE_MS = 0.02


@final
@dataclass(frozen=True)
class Clock:
    """Readings in nanoseconds: ``wall``, and ``busy``, the processor time of the calling thread; None for no such
    clock, and then no interruption is seen."""

    wall: Callable[[], int] = lambda: time.perf_counter_ns()
    busy: Callable[[], int] | None = lambda: time.thread_time_ns()


SYSTEM = Clock()


@final
@dataclass(frozen=True)
class Passes:
    """Milliseconds of each pass of a call, the share of them that was interrupted, and how many times as long as at its
    quickest the reference took meanwhile (1 without a reference)."""

    ms: tuple[float, ...]
    interrupted: float = 0.0
    slowdown: float = 1.0

    @property
    def disturbed(self) -> str:
        """What other work may have done to the times, in words; empty when nothing."""
        told = []
        if self.interrupted > MANY:
            told.append(f"{self.interrupted:.0%} of the passes were interrupted")
        if self.slowdown > SLOWER:
            told.append(f"a reference network took {self.slowdown:.1f} times as long as at its quickest")
        return " and ".join(told)

    @property
    def unrest(self) -> float:
        """The smaller, the calmer."""
        return self.interrupted + self.slowdown


def take_turns(
    calls: Sequence[Call],
    *,
    reference: Call | None = None,
    repeats: int,
    warm_up: int,
    turn: int = 5,
    alone: bool,
    clock: Clock | None = None,
    tries: int = TRIES,
) -> list[Passes]:
    """``repeats`` passes of each call after ``warm_up`` that do not count, ``turn`` of each in turn, so that a machine
    that becomes slower does so for all. Turns of more than one pass begin with one that does not count.

    ``reference`` is timed at the beginning of every turn. ``alone``: each call computes in the calling thread only, so
    that its processor time is known. A disturbed measurement is repeated up to ``tries`` times in all; the calmest one
    counts.
    """
    clock = clock or SYSTEM
    stopwatch = _Stopwatch(clock.wall, clock.busy if alone else None)
    levels: list[float] = []  # of the reference, in all turns of all tries
    best: list[Passes] = []
    for _ in range(tries):
        found, own = _turns(calls, reference, repeats, warm_up, turn, stopwatch)
        levels += own
        slowdown = _upper_quartile(own) / min(levels) if own else 1.0
        found = [replace(passes, slowdown=slowdown) for passes in found]
        if not best or _unrest(found) < _unrest(best):
            best = found
        if not any(passes.disturbed for passes in found):
            break
    return best


def _turns(
    calls: Sequence[Call],
    reference: Call | None,
    repeats: int,
    warm_up: int,
    turn: int,
    stopwatch: _Stopwatch,
) -> tuple[list[Passes], list[float]]:
    """The passes of every call, and the reference's milliseconds in every turn."""
    times: list[list[tuple[float, bool]]] = [[] for _ in calls]
    levels = []
    for number in range(math.ceil(repeats / turn)):
        count = min(turn, repeats - number * turn)
        before = warm_up if number == 0 else int(turn > 1)
        if reference is not None:
            levels.append(min(taken for taken, _ in stopwatch.passes(reference, max(count, 2), before)))
        for call, own in zip(calls, times, strict=True):
            own += stopwatch.passes(call, count, before)
    return [
        Passes(tuple(taken for taken, _ in own), sum(stopped for _, stopped in own) / len(own)) for own in times
    ], levels


@dataclass(frozen=True)
class _Stopwatch:
    wall: Callable[[], int]
    busy: Callable[[], int] | None

    def passes(self, call: Call, count: int, before: int) -> list[tuple[float, bool]]:
        """The milliseconds of each of ``count`` passes, after ``before`` that do not count, and whether it was
        interrupted: then they are its processor time."""
        for _ in range(before):
            call()
        found = []
        for _ in range(count):
            busy = self.busy() if self.busy is not None else 0
            start = self.wall()
            call()
            taken = (self.wall() - start) / 1e6
            worked = (self.busy() - busy) / 1e6 if self.busy is not None else taken
            stopped = taken > INTERRUPTED * worked + _UNSURE_MS
            found.append((worked if stopped else taken, stopped))
        return found


def _upper_quartile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[2] if len(values) > 1 else values[0]


def _unrest(found: Sequence[Passes]) -> float:
    return statistics.fmean(passes.unrest for passes in found)


__all__ = ["INTERRUPTED", "MANY", "SLOWER", "SYSTEM", "TRIES", "Call", "Clock", "Passes", "take_turns"]
