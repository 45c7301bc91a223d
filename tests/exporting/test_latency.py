import pytest
from torch import nn

from nascence.errors import SettingError
from nascence.exporting.check import ExportError
from nascence.exporting.latency import onnx_latency_ms


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))


def test_a_measurement_says_what_it_is_of():
    module = network().train()
    measured = onnx_latency_ms(module, (1, 8, 8), repeats=5, warm_up=1)
    assert measured.median_ms > 0
    assert measured.iqr_ms >= 0
    assert (measured.batch, measured.threads, measured.repeats, measured.warm_up) == (1, 1, 5, 1)
    assert "ONNX Runtime" in measured.device
    assert module.training
    assert onnx_latency_ms(module, (1, 8, 8), batch=4, repeats=1, warm_up=0).batch == 4


@pytest.mark.parametrize("setting", [{"batch": 0}, {"threads": 0}, {"repeats": 0}])
def test_counts_below_one(setting):
    with pytest.raises(SettingError, match=next(iter(setting))):
        onnx_latency_ms(network(), (1, 8, 8), **setting)


def test_shapes_that_are_none():
    with pytest.raises(ExportError, match="channels, height, width"):
        onnx_latency_ms(network(), (8, 8))
