"""A metric as something that is to be small."""

import dataclasses

from nascence.tasks import load_task
from nascence.tasks.base import Metric
from nascence.tasks.error import Error
from nascence.testing import ToyDenoising


def test_percent_are_taken_from_a_hundred_and_other_measures_turned_round():
    wrong = Error.of(load_task("digits"))
    assert (wrong({"accuracy": 97.5}), wrong.unit, wrong.worst, wrong.text) == (2.5, "%", 100.0, "wrong answers")
    noise = Error.of(ToyDenoising.make())
    assert (noise({"psnr": 30.0}), noise.unit, noise.text) == (-30.0, "dB", "-psnr")
    assert noise.worst > 0
    rate = dataclasses.replace(wrong, metric=Metric("rate", "%", larger_is_better=False))
    assert rate({"rate": 3.0}) == 3.0
