import itertools

import pytest

from nascence.costs import CostModel, LatencyTable
from nascence.costs.choices import ChoicePricing
from nascence.costs.groups import reference
from nascence.costs.latency import LatencyMeasurement
from nascence.costs.networks import Networks
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature


def test_a_few_crossings_tell_what_is_no_sum(monkeypatch):
    """A large space whose costs are no sums is not priced option by option."""
    space = get_space("h-das-stages")
    pricing = ChoicePricing(Networks(space, NetworkConfig(channels=4), Signature("images", 3, 10, (8, 8))))
    monkeypatch.setattr(pricing, "_singles", lambda name: pytest.fail("priced option by option"))
    assert not pricing.exact
    assert len(pricing.groups) == len(space.choices)


@pytest.mark.parametrize(("together", "shared"), [(0.25, 0.5), (1.5, 0.0), (0.9, None)])
def test_latencies_are_predicted_above_zero(monkeypatch, together, shared):
    """Every change of the reference network's 1 ms saves ``saved``; the network of all changes takes ``together``."""
    space = get_space("nas-bench-macro")
    base, measured = reference(space), []
    saved = (1.5 if shared is not None else 0.8) / len(space.choices)

    def measure(self, architectures, repeats=30, warm_up=5, *, turn=5, shipped=False):
        measured.extend(architectures)
        changes = [sum(a != b for a, b in zip(one.answers, base.answers, strict=True)) for one in architectures]
        took = [1 - saved * count if count < 2 else together for count in changes]
        return [LatencyMeasurement(ms, 0.0, 1, 1, "no clock") for ms in took]

    monkeypatch.setattr(Networks, "measure_all", measure)
    signature = Signature("images", 3, 10, (8, 8))
    model = CostModel(space, NetworkConfig(channels=4), signature, threads=1)
    low, high = model.range("latency_ms")
    singles = 1 + sum(len(choice.options) - 1 for choice in space.choices)
    assert high == pytest.approx(1)
    assert all(model.predicted_latency_ms(one) > 0 for one in itertools.islice(space.enumerate(), 0, None, 97))
    known = len(measured)
    table = LatencyTable.of(model)
    assert len(measured) == known, "a table holds what was predicted from"
    looked_up = CostModel(space, NetworkConfig(channels=4), signature, threads=1, latency_table=table)
    assert looked_up.range("latency_ms") == pytest.approx((low, high))
    if shared is None:
        assert low == pytest.approx(1 - 0.8)
        assert len(measured) == singles, "nothing to settle"
        return
    assert low == pytest.approx(1 - 1.5 * shared) == pytest.approx(min(together, 1))
    assert len(measured) == singles + 1
