import itertools
import math

import pytest

from nascence.schedules import Constant, Cosine, Exponential, Linear, Moment, Ramp
from nascence.strategies.descent.stages import Stage, timetable


def over(schedule, epochs=100, stage=0, stage_epochs=None):
    return [schedule(Moment(at, epochs, stage, at, stage_epochs or epochs)) for at in range(epochs)]


def test_beta_decay_of_the_released_code():
    """50 * epoch / 100 in a search of 100 epochs."""
    values = over(Linear(0, 50))
    assert values[0] == 0
    assert values[50] == 25
    assert values[99] == 49.5


def test_the_temperature_of_gdas():
    values = over(Linear(10, 0.1, reach=True), 250)
    assert values[0] == 10
    assert values[-1] == pytest.approx(0.1)
    steps = {round(b - a, 9) for a, b in itertools.pairwise(values)}
    assert steps == {round(-9.9 / 249, 9)}


def test_the_temperature_of_dots():
    """10 * r ** (epoch - 50), r = (0.02 / 10) ** (1 / 19), over a stage of 20 epochs."""
    schedule = Exponential(10, 0.02, over="stage")
    values = [schedule(Moment(50 + at, 70, 1, at, 20)) for at in range(20)]
    assert [round(values[at], 3) for at in (0, 5, 10, 15, 19)] == [10.0, 1.949, 0.38, 0.074, 0.02]


def test_epochs_in_which_the_architecture_moves():
    """After a warm-up the schedule begins where it would have begun without."""
    schedule = Linear(0, 50, over="moves")
    with_warmup = [schedule(epoch.moment) for epoch in timetable([Stage(epochs=34, warmup=24)])]
    assert with_warmup[:25] == [0] * 25
    assert with_warmup[24:] == over(Linear(0, 50), 10)
    two = [Stage(epochs=3, warmup=1), Stage(epochs=4, warmup=2)]
    assert [schedule(epoch.moment) for epoch in timetable(two)] == [0, 0, 12.5, 25, 25, 25, 37.5]


def test_cosine_ends_after_the_last_epoch():
    values = over(Cosine(0.025, 0.001), 50)
    assert values[0] == 0.025
    assert values[25] == pytest.approx(0.013)
    assert values[-1] > 0.001
    assert values == pytest.approx([0.001 + 0.024 * (1 + math.cos(math.pi * at / 50)) / 2 for at in range(50)])


def test_stage_and_search():
    moment = Moment(30, 40, 1, 10, 20)
    assert Linear(0, 1)(moment) == 0.75
    assert Linear(0, 1, over="stage")(moment) == 0.5
    assert Linear(0, 1, over="stage", reach=True)(moment) == pytest.approx(10 / 19)
    assert Constant(3.0)(moment) == 3
    assert Linear(1, 2, reach=True)(Moment(0, 1)) == 1, "a single epoch divides by nothing"


def test_a_ramp_rises_and_stays():
    ramp = Ramp(2.0, 4)
    assert [ramp(Moment(epoch, 10)) for epoch in range(7)] == [0, 0.5, 1, 1.5, 2, 2, 2]
    assert Ramp(2.0, 0)(Moment(0, 10)) == 2
