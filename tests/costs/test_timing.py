"""Turns, interruptions, a reference, repetitions: all on clocks that are passed in."""

from __future__ import annotations

import itertools

import pytest

from nascence.costs.timing import Clock, Passes, take_turns

MS = 1_000_000


class Machine:
    """Simulated calls: each takes its milliseconds of processor time, and longer by the clock while others work."""

    def __init__(self) -> None:
        self.now = self.worked = 0
        self.order: list[str] = []
        self.slow, self.stolen = itertools.repeat(1.0), itertools.repeat(0.0)
        self.clock = Clock(wall=lambda: self.now, busy=lambda: self.worked)

    def call(self, name: str, ms: float):
        """``slow``: a factor on the work; ``stolen``: milliseconds by the clock that others had."""

        def work() -> None:
            self.order.append(name)
            taken = ms * next(self.slow)
            self.worked += round(taken * MS)
            self.now += round((taken + next(self.stolen)) * MS)

        return work


def test_a_few_of_each_in_turn() -> None:
    machine = Machine()
    calls = [machine.call("a", 1.5), machine.call("b", 3)]
    found = take_turns(calls, repeats=7, warm_up=2, alone=True, clock=machine.clock)
    assert "".join(machine.order) == "a" * 7 + "b" * 7 + "a" * 3 + "b" * 3, "2 + 5 each, then 1 + 2 each"
    assert found == [Passes((1.5,) * 7), Passes((3.0,) * 7)]
    assert not any(passes.disturbed for passes in found)


def test_a_reference_begins_every_turn_and_costs_nothing() -> None:
    machine = Machine()
    calls = [machine.call("a", 1)]
    reference = machine.call("r", 2)
    (found,) = take_turns(
        calls, reference=reference, repeats=3, warm_up=1, turn=1, alone=True, clock=machine.clock, tries=1
    )
    assert "".join(machine.order) == "rrraa" + "rra" + "rra"
    assert found.ms == (1.0, 1.0, 1.0)
    assert found.slowdown == 1


def test_an_interrupted_pass_counts_what_the_processor_worked() -> None:
    """One of five is long by the clock."""
    machine = Machine()
    machine.stolen = itertools.cycle([0, 0, 0, 0, 40])
    (found,) = take_turns([machine.call("a", 2)], repeats=10, warm_up=0, turn=10, alone=True, clock=machine.clock)
    assert found.ms == (2.0,) * 10
    assert found.interrupted == pytest.approx(0.2)
    assert found.disturbed == ""
    assert len(machine.order) == 10, "nothing was repeated"


def test_without_processor_time_passes_are_as_long_as_the_clock_says() -> None:
    """Threads work for a call, or the system has no such clock."""
    for alone, busy in ((False, lambda: 0), (True, None)):
        machine = Machine()
        machine.stolen = itertools.cycle([0, 3])
        clock = Clock(wall=machine.clock.wall, busy=busy)
        (found,) = take_turns([machine.call("a", 2)], repeats=4, warm_up=0, alone=alone, clock=clock)
        assert found.ms == (2.0, 5.0, 2.0, 5.0)
        assert found.interrupted == 0


def test_what_was_disturbed_is_repeated_and_the_calmest_counts() -> None:
    """Three tries of four passes each: all interrupted, two, none."""
    machine = Machine()
    machine.stolen = itertools.chain([5] * 4, [5, 5, 5, 0], itertools.repeat(0))
    (found,) = take_turns([machine.call("a", 1)], repeats=4, warm_up=0, alone=True, clock=machine.clock)
    assert len(machine.order) == 12
    assert (found.interrupted, found.disturbed) == (0, "")


def test_what_stays_disturbed_says_so() -> None:
    machine = Machine()
    machine.stolen = itertools.chain([5] * 4, [0, 5, 5, 5], itertools.repeat(5))
    (found,) = take_turns([machine.call("a", 1)], repeats=4, warm_up=0, alone=True, clock=machine.clock)
    assert len(machine.order) == 12, "three tries"
    assert found.interrupted == 0.75, "of the second, the calmest"
    assert found.disturbed == "75% of the passes were interrupted"
    assert found.ms == (1.0,) * 4, "and still what the processor worked"


def test_a_machine_that_becomes_slower_is_seen_by_the_reference() -> None:
    machine = Machine()
    machine.slow = itertools.chain([1.0] * 8, itertools.repeat(2.0))
    options = {"repeats": 8, "warm_up": 0, "turn": 2, "alone": True, "clock": machine.clock}
    (found,) = take_turns([machine.call("a", 1)], reference=machine.call("r", 1), tries=1, **options)
    assert found.slowdown == 2
    assert found.disturbed == "a reference network took 2.0 times as long as at its quickest"
    (again,) = take_turns([machine.call("a", 1)], reference=machine.call("r", 1), **options)
    assert again.slowdown == 1, "steady by now, as far as one can see"


def test_the_calmest_try_is_measured_against_the_quickest_reference_of_all_tries() -> None:
    machine = Machine()
    machine.slow = itertools.chain([1.0], itertools.repeat(3.0))
    options = {"repeats": 4, "warm_up": 0, "turn": 2, "alone": True, "clock": machine.clock}
    (found,) = take_turns([machine.call("a", 1)], reference=machine.call("r", 1), **options)
    assert found.slowdown > 1.3, "a later try that is evenly slow is not taken for calm"


def test_passes_beside_a_slow_reference_are_scaled_back() -> None:
    """The second half of all turns is three times as slow."""
    machine = Machine()
    machine.slow = itertools.chain([1.0] * 6, itertools.repeat(3.0))
    options = {"repeats": 4, "warm_up": 0, "turn": 2, "alone": True, "clock": machine.clock, "tries": 1}
    found = take_turns([machine.call("a", 1), machine.call("b", 5)], reference=machine.call("r", 2), **options)
    assert found[0].ms == pytest.approx((1.0,) * 4)
    assert found[1].ms == pytest.approx((5.0, 5.0, 5.0, 5.0))
    assert found[0].slowdown == pytest.approx(2.5), "a quarter of the way from one turn's level to the other's"


def test_a_machine_that_was_quieter_before_counts_as_disturbed_and_is_scaled_back() -> None:
    machine = Machine()
    machine.slow = itertools.repeat(2.0)
    heard: list[float] = []

    def quiet(ms: float) -> float:
        heard.append(ms)
        return min(ms, 3.0)

    options = {"repeats": 4, "warm_up": 0, "turn": 2, "alone": True, "clock": machine.clock}
    (found,) = take_turns([machine.call("a", 1)], reference=machine.call("r", 3), quiet=quiet, **options)
    assert heard == [6.0, 3.0, 3.0], "three tries"
    assert found.ms == pytest.approx((1.0,) * 4)
    assert found.disturbed == "a reference network took 2.0 times as long as at its quickest"


def test_the_reference_is_timed_again_in_a_long_turn() -> None:
    machine = Machine()
    calls = [machine.call(name, 3) for name in "abcd"]
    take_turns(calls, reference=machine.call("r", 1), repeats=1, warm_up=0, turn=1, alone=True, clock=machine.clock)
    assert "".join(machine.order) == "rrabc" + "rrd", "after more than eight of its passes"
