import pytest
import torch
from torch import nn

from nascence.costs import COSTS, latency_ms
from nascence.costs.latency import device_name, latencies_in_turn, threads_set_to, time_ms
from nascence.errors import SettingError


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
    measured = latency_ms(module, (3, 4, 5), batch=2, threads=1, repeats=7, warm_up=2)
    assert module.calls == [((2, 3, 4, 5), False, True, 1)] * 9
    assert module.training
    assert torch.get_num_threads() == threads
    assert (measured.batch, measured.threads) == (2, 1)
    assert measured.device == device_name()
    assert measured.median_ms > 0
    assert measured.iqr_ms >= 0
    assert "batch 2, 1 thread, CPU" in str(measured)


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


def test_threads_are_restored():
    before = torch.get_num_threads()
    with threads_set_to(before + 1) as used:
        assert used == torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with threads_set_to(None) as used:
        assert used == before


def test_time_ms_is_in_milliseconds(monkeypatch):
    clock = iter(range(0, 1_000_000_000, 1_500_000))  # each reading 1.5 ms after the last
    monkeypatch.setattr("nascence.costs.latency.time.perf_counter_ns", lambda: next(clock))
    assert time_ms(lambda: None, 3, 1) == [1.5, 1.5, 1.5]


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
    found = latencies_in_turn(modules, (3, 4, 4), threads=1, repeats=7, warm_up=2)
    assert [(one.repeats, one.warm_up, one.batch, one.threads) for one in found] == [(7, 2, 1, 1)] * 2
    assert [name for name, _, _ in calls] == [*"a" * 7, *"b" * 7, *"a" * 3, *"b" * 3]
    assert {(training, shape) for _, training, shape in calls} == {(False, (1, 3, 4, 4))}
    assert [module.training for module in modules] == [True, False]
    with pytest.raises(SettingError, match="repeats must be at least 1, not 0"):
        latencies_in_turn(modules, (3, 4, 4), repeats=0)
