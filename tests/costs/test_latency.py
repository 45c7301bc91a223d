import itertools

import pytest
import torch
from torch import nn

from nascence.costs import COSTS, latency_ms
from nascence.costs.latency import LatencyMeasurement, device_name, latencies_in_turn
from nascence.costs.timing import Clock, Passes
from nascence.errors import SettingError


def steady():
    """A clock on which every pass takes 1.5 ms."""
    readings = itertools.count(0, 1_500_000)
    return Clock(wall=lambda: next(readings), busy=None)


class Recorder(nn.Module):
    """Notes how it is called."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x):
        self.calls.append((tuple(x.shape), self.training, torch.is_inference_mode_enabled(), torch.get_num_threads()))
        return x


def test_counts_calls_and_uses_evaluation_and_inference_mode():
    module, threads = Recorder(), torch.get_num_threads()
    measured = latency_ms(module, (3, 4, 5), batch=2, threads=1, repeats=7, warm_up=2, clock=steady())
    assert module.calls == [((2, 3, 4, 5), False, True, 1)] * 10, (
        "two turns, which begin with 2 and 1 that do not count"
    )
    assert module.training
    assert torch.get_num_threads() == threads
    assert (measured.batch, measured.threads) == (2, 1)
    assert measured.device == device_name()
    assert (measured.median_ms, measured.iqr_ms, measured.repeats) == (1.5, 0, 7)
    assert "batch 2, 1 thread, CPU" in str(measured)


def test_what_disturbed_a_measurement_is_told():
    passes = Passes((1.0, 2.0, 3.0), interrupted=0.75, slowdown=1.5)
    measured = LatencyMeasurement.of(passes, batch=1, threads=1, device="a machine", warm_up=0, runtime="onnx")
    assert (measured.median_ms, measured.iqr_ms) == (2, 1)
    assert "75% of the passes were interrupted and a reference network took 1.5 times" in measured.disturbed
    assert measured.disturbed in str(measured)
    told = measured.to_dict()
    assert "median_ms" not in told
    assert (told["runtime"], told["iqr_ms"], told["disturbed"]) == ("onnx", 1, measured.disturbed)
    calm = LatencyMeasurement(2.0, 1.0, 1, 1, "a machine")
    assert calm.disturbed == ""
    assert "disturbed" not in calm.to_dict()
    assert "disturbed" not in str(calm)


def test_a_single_repeat_has_no_spread():
    assert latency_ms(Recorder(), (1,), repeats=1, warm_up=0).iqr_ms == 0


def test_modes_are_restored_even_after_an_error():
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    module[0].eval()
    with pytest.raises(RuntimeError):
        latency_ms(module, (4,))
    assert [part.training for part in module.modules()] == [True, False, True]


@pytest.mark.parametrize("setting", [{"batch": 0}, {"repeats": 0}, {"warm_up": -1}, {"threads": 0}])
def test_impossible_settings_are_refused(setting):
    (name,) = setting
    with pytest.raises(SettingError, match=name):
        latency_ms(Recorder(), (1,), **setting)


def test_costs_by_name():
    assert COSTS.names()[:4] == ["params", "flops", "memory-mib", "latency-ms"]
    layer = nn.Linear(4, 2)
    values = {name: COSTS.get(name).measure(layer, (4,)) for name in ("params", "flops", "latency-ms")}
    assert (values["params"], values["flops"]) == (10, 16)
    assert values["latency-ms"] > 0
    assert [COSTS.get(name).key for name in values] == ["params", "flops", "latency_ms"]
    assert all(COSTS.get(name).unit and COSTS.get(name).description for name in values)


def test_modules_in_turn_are_each_measured_so_often_and_left_as_they_were():
    calls = []

    class Noted(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, x):
            calls.append((self.name, self.training, tuple(x.shape)))
            return x

    modules = [Noted("a").train(), Noted("b").eval()]
    found = latencies_in_turn(modules, (3, 4, 4), threads=1, repeats=7, warm_up=2, clock=steady())
    assert [(one.repeats, one.warm_up, one.batch, one.threads) for one in found] == [(7, 2, 1, 1)] * 2
    assert [name for name, _, _ in calls] == [*"a" * 7, *"b" * 7, *"a" * 3, *"b" * 3]
    assert {(training, shape) for _, training, shape in calls} == {(False, (1, 3, 4, 4))}
    assert [module.training for module in modules] == [True, False]
    with pytest.raises(SettingError, match="repeats must be at least 1, not 0"):
        latencies_in_turn(modules, (3, 4, 4), repeats=0)
