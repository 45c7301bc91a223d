import json
from dataclasses import replace

import pytest
import torch

from nascence.configuration import to_json
from nascence.costs import Budget, CostModel, LatencyTable
from nascence.costs.cells import CellPricing
from nascence.costs.latency import LatencyMeasurement, device_name
from nascence.costs.networks import Networks
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature

NB201, MACRO = get_space("nas-bench-201"), get_space("nas-bench-macro")
SMALL = NetworkConfig(channels=4, depth=1)
SHAPE = (3, 8, 8)


@pytest.fixture
def clock(monkeypatch):
    """Networks and their parts cost FLOPs / 1e6 ms, and a network ``extra`` times that."""
    state = {"extra": 1.0, "measured": 0, "noise": ""}

    def parts(self):
        constant, table = self.table("flops")
        return constant / 1e6, table / 1e6

    def measure(self, architectures, repeats=30, warm_up=5, *, shipped=False):
        state["measured"] += len(architectures)
        took = [state["extra"] * self.count("flops", architecture) / 1e6 for architecture in architectures]
        self.noise.extend([state["noise"]] if state["noise"] else [])
        return [LatencyMeasurement(ms, ms / 10, 1, 1, "no clock") for ms in took]

    def latency(self):
        return looked_up(self) or parts(self)

    def looked_up(self):
        return None if self.networks.latency_table is None else original(self)

    original = CellPricing._latency
    monkeypatch.setattr(CellPricing, "_latency", latency)
    monkeypatch.setattr(Networks, "measure_all", measure)
    return state


def model(space=NB201, size=SMALL, **options):
    return CostModel(space, size, Signature.images(SHAPE), threads=1, **options)


@pytest.mark.parametrize(("space", "size"), [(NB201, SMALL), (MACRO, NetworkConfig(channels=4))])
def test_looked_up_is_what_was_measured(clock, tmp_path, space, size):
    measured = model(space, size)
    table = LatencyTable.measure(measured, checks=6)
    (tmp_path / "table.json").write_text(json.dumps(table.to_json()))
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert loaded == table
    before = clock["measured"]
    again = model(space, size, latency_table=loaded)
    for at in range(20):
        architecture = space.sample(generator(at))
        assert again.predicted_latency_ms(architecture) == pytest.approx(measured.predicted_latency_ms(architecture))
    assert again.range("latency_ms") == pytest.approx(measured.range("latency_ms"))
    assert clock["measured"] == before, "nothing was measured again"


def test_the_error_of_adding_up(clock):
    exact = LatencyTable.measure(model(), checks=8)
    assert exact.median_error == pytest.approx(0, abs=1e-9)
    assert exact.error_90 == pytest.approx(0, abs=1e-9)
    assert exact.rank_correlation == pytest.approx(1)
    clock["extra"] = 1.25
    assert LatencyTable.measure(model(), checks=8).median_error == pytest.approx(0.2)
    assert LatencyTable.measure(model(), checks=1).rank_correlation is None
    with pytest.raises(SettingError, match="at least 1"):
        LatencyTable.measure(model(), checks=0)


def test_what_the_file_says(clock):
    told = LatencyTable.measure(model(), checks=2).to_json()
    assert (told["unit"], told["batch"], told["runtime"]) == ("ms", 1, "onnx")
    assert "ONNX Runtime" in told["device"]
    assert told["spread"] == pytest.approx(0.1)
    assert told["disturbed"] == []
    clock["noise"] = "half of the passes were interrupted"
    assert LatencyTable.measure(model(), checks=2).disturbed == ("half of the passes were interrupted",)
    assert LatencyTable.measure(model(runtime="torch"), checks=2).to_json()["device"] == device_name()
    assert told["threads"] == 1
    assert told["space"] == "nas-bench-201"
    assert told["network"] == to_json(SMALL)
    assert len(told["parts"]["cell"]) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "darts"}, "of the space 'darts', not of 'nas-bench-201'"),
        ({"device": "CPU of another machine, PyTorch 1"}, "of the device 'CPU of another machine"),
        ({"threads": 8}, "number of threads '8'"),
        ({"num_classes": 100}, "number of classes"),
        ({"input_shape": (3, 32, 32)}, "input shape '3 x 32 x 32', not of '3 x 8 x 8'"),
        ({"network": NetworkConfig(channels=99, depth=1)}, "network size 'channels 99"),
    ],
)
def test_a_foreign_table_is_refused(clock, changes, message):
    table = replace(LatencyTable.measure(model(), checks=1), **changes)
    with pytest.raises(SettingError, match=message) as refusal:
        Budget(max_latency_ms=1).bind(NB201, SMALL, input_shape=SHAPE, threads=1, latency_table=table)
    assert "nascence measure --space nas-bench-201" in str(refusal.value)


def test_files_that_are_no_tables(tmp_path):
    for name, content, message in (
        ("a.json", "no json", "not valid JSON"),
        ("b.json", "{}", "no latency table"),
        ("c.json", '{"format": 1}', "damaged"),
        ("d.json", '{"format": 1, "network": {"channels": 1}, "input_shape": [3, 8, 8], "space": "x"}', "damaged"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(SettingError, match=message):
            LatencyTable.load(tmp_path / name)
    with pytest.raises(SettingError, match="Cannot read"):
        LatencyTable.load(tmp_path / "missing.json")


def test_the_expectation_of_a_looked_up_latency_is_differentiable(clock):
    table = LatencyTable.measure(model(), checks=1)
    again = model(latency_table=table)
    weights = torch.full((6, 5), 0.2, dtype=torch.float64, requires_grad=True)
    mean = again.expected("latency_ms", {"cell": weights})
    mean.backward()
    every = [again.predicted_latency_ms(architecture) for architecture in NB201.enumerate()]
    assert float(mean.detach()) == pytest.approx(sum(every) / len(every))
    assert torch.allclose(weights.grad, torch.tensor(table.parts["cell"], dtype=torch.float64))


def test_tables_of_before_there_was_a_choice_are_of_pytorch(clock):
    old = LatencyTable.measure(model(runtime="torch"), checks=1).to_json()
    old["runtime"] = "PyTorch"
    for name in ("spread", "disturbed"):
        del old[name]
    table = LatencyTable.from_json(old)
    assert table.runtime == "torch"
    assert model(latency_table=table).networks.runtime.name == "torch", "the table says what is meant"
    with pytest.raises(SettingError, match=r"runtime 'torch', not of 'onnx'.*--runtime onnx --out"):
        model(latency_table=table, runtime="onnx")


def test_what_a_model_predicts_from_can_be_kept_without_checking_it(clock):
    measured = model()
    table = LatencyTable.of(measured)
    assert (table.checked, table.median_error, table.rank_correlation) == (0, None, None)
    again = model(latency_table=LatencyTable.from_json(json.loads(json.dumps(table.to_json()))))
    architecture = NB201.sample(generator(1))
    assert again.predicted_latency_ms(architecture) == measured.predicted_latency_ms(architecture)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_real_measurement(runtime):
    """The clock is the machine's: everything is there and positive; how exact it is, benchmarks say."""
    table = LatencyTable.measure(model(NB201, NetworkConfig(channels=2, depth=1), runtime=runtime), checks=2)
    assert table.constant >= 0
    assert all(value > 0 for row in table.parts["cell"] for value in row)
    assert table.median_error >= 0


@pytest.mark.parametrize(
    "change",
    [
        {"parts": {}},
        {"parts": {"cell": [[1.0]]}},
        {"parts": {"cell": "fast"}},
        {"parts": [1]},
        {"constant": "0.1"},
        {"threads": 10**9},
        {"network": {"channels": "two"}},
        {"input_shape": [3, "8", 8]},
        {"median_error": "small"},
        {"runtime": "abacus"},
        {"disturbed": "much"},
        {"space": []},
    ],
)
def test_a_table_with_odd_values_is_refused(tmp_path, clock, change):
    """At the latest where it is looked up."""
    whole = LatencyTable.measure(CostModel(NB201, SMALL, Signature.images(SHAPE), threads=1), checks=1).to_json()
    (tmp_path / "t.json").write_text(json.dumps({**whole, **change}))

    def predict():
        model = CostModel(
            NB201, SMALL, Signature.images(SHAPE), threads=1, latency_table=LatencyTable.load(tmp_path / "t.json")
        )
        model.predicted_latency_ms(NB201.sample(generator(0)))

    with pytest.raises(SettingError, match=r"damaged|does not fit|latency table is of"):
        predict()
