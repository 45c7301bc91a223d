"""Times of calls on a machine that others may use too: in turns, with what disturbed them.

Other work shows in two ways. A pass that was interrupted took longer than the processor worked on it, which a thread's
processor time says; its processor time then stands for it. And what shares the processor's caches or its clock slows
down everything alike, which a reference call, timed in every turn, says: by what it is slower than at its quickest, the
passes beside it are scaled back. Its quickest may have been seen long before (:mod:`nascence.costs.quiet`), so that a
machine which is slower all the while is seen too.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

Call = Callable[[], object]
Quiet = Callable[[float], float]
"""Is told the quickest milliseconds of a reference call, and gives the quickest that were ever seen of it."""

INTERRUPTED = 1.1
"""A pass that took longer than so many times its processor time, and :data:`_UNSURE_MS` more, was interrupted."""
MANY = 0.5
"""From this share of interrupted passes on, a measurement counts as disturbed."""
SLOWER = 1.3
"""A measurement counts as disturbed when the reference took so many times as long as at its quickest, in a quarter of
the turns or more."""
TRIES = 3
"""How often a disturbed measurement is repeated; the calmest one counts."""
_UNSURE_MS = 0.02
_OLD_PASSES = 8
"""Within a turn, the reference is timed again when its last time is as old as so many of its passes."""


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
    """Milliseconds of each pass of a call, scaled back by the reference where there is one, the share of them that was
    interrupted, and how many times as long as at its quickest the reference took meanwhile (1 without a reference)."""

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
    quiet: Quiet | None = None,
    repeats: int,
    warm_up: int,
    turn: int = 5,
    alone: bool,
    clock: Clock | None = None,
    tries: int = TRIES,
) -> list[Passes]:
    """``repeats`` passes of each call after ``warm_up`` that do not count, ``turn`` of each in turn, so that a machine
    that becomes slower does so for all. Turns of more than one pass begin with one that does not count.

    ``reference`` is timed at the beginning of every turn, and again in long ones; where it took k times its quickest
    (in all tries, or as ``quiet`` knows it), the passes that follow count with a k-th of their time. ``alone``: each
    call computes in the calling thread only, so that its processor time is known. A disturbed measurement is repeated
    up to ``tries`` times in all; the calmest one counts.
    """
    clock = clock or SYSTEM
    stopwatch = _Stopwatch(clock.wall, clock.busy if alone else None)
    least = math.inf  # of the reference, in all turns of all tries
    best: list[Passes] = []
    for _ in range(tries):
        timed, levels = _turns(calls, reference, repeats, warm_up, turn, stopwatch)
        if levels:
            least = min(least, *levels)
            least = least if quiet is None else quiet(least)
        slowdown = _upper_quartile(levels) / least if levels else 1.0
        found = [_passes(own, least, slowdown) for own in timed]
        if not best or _unrest(found) < _unrest(best):
            best = found
        if not any(passes.disturbed for passes in found):
            break
    return best


@dataclass(frozen=True)
class _Pass:
    """``level``: the reference's milliseconds beside it; None without a reference."""

    ms: float
    interrupted: bool
    level: float | None


def _passes(timed: Sequence[_Pass], least: float, slowdown: float) -> Passes:
    scaled = tuple(one.ms if one.level is None else one.ms * least / one.level for one in timed)
    return Passes(scaled, sum(one.interrupted for one in timed) / len(timed), slowdown)


def _turns(
    calls: Sequence[Call],
    reference: Call | None,
    repeats: int,
    warm_up: int,
    turn: int,
    stopwatch: _Stopwatch,
) -> tuple[list[list[_Pass]], list[float]]:
    """The passes of every call, and the reference's milliseconds whenever it was timed."""
    timed: list[list[_Pass]] = [[] for _ in calls]
    levels: list[float] = []
    for number in range(math.ceil(repeats / turn)):
        count = min(turn, repeats - number * turn)
        before = warm_up if number == 0 else int(turn > 1)
        level: float | None = None
        at = 0
        for call, own in zip(calls, timed, strict=True):
            old = level is None or stopwatch.wall() - at > _OLD_PASSES * level * 1e6
            if reference is not None and old:
                level = min(taken for taken, _ in stopwatch.passes(reference, max(count, 2), before))
                levels.append(level)
                at = stopwatch.wall()
            own += [_Pass(taken, stopped, level) for taken, stopped in stopwatch.passes(call, count, before)]
    return timed, levels


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


__all__ = ["INTERRUPTED", "MANY", "SLOWER", "SYSTEM", "TRIES", "Call", "Clock", "Passes", "Quiet", "take_turns"]
