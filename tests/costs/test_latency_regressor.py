"""Learned latencies: what they are told, what they recover exactly, and that they say how good they are."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nascence.costs import CostModel
from nascence.costs.latency_regressor import FEWEST, LatencyRegressor, PredictionError, SummedLatency, code
from nascence.errors import DataError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.testing import toy_space

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def sample(space, count, seed=0):
    return [space.sample(generator(seed, "sample", at)) for at in range(count)]


def codes_of(space, architectures):
    return torch.stack([code(space, space.one_hot(one)) for one in architectures])


@pytest.mark.parametrize(("space", "length"), [(NB201, 6 * 4), (DARTS, 2 * 14 * 7)])
def test_a_code_has_a_one_for_every_operation_that_is_there(space, length):
    for architecture in sample(space, 20):
        z = code(space, space.one_hot(architecture))
        there = [
            (kind, edge, name)
            for kind, edges in space.edge_operations(architecture).items()
            for edge, name in edges.items()
            if name != "none"
        ]
        assert z.shape == (length,)
        assert set(z.tolist()) <= {0.0, 1.0}
        assert z.sum() == len(there)
        names = [name for name in space.operations if name != "none"]
        slots = list(itertools.product(space.kinds, range(len(space.shape.edges)), names))
        assert {slot for slot, there in zip(slots, z.tolist(), strict=True) if there} == set(there)


@pytest.mark.parametrize("space", [NB201, DARTS])
def test_a_latency_that_adds_up_is_recovered(space):
    """From 500 networks, below half a percent."""
    architectures = sample(space, 500)
    z = codes_of(space, architectures)
    parts = torch.rand(z.shape[1], generator=generator(1))
    regressor = LatencyRegressor.fit(space, architectures, z @ parts + 2)
    fresh = sample(space, 100, seed=1)
    truth = codes_of(space, fresh) @ parts + 2
    assert PredictionError.of(regressor(codes_of(space, fresh)), truth).relative_percent < 0.5
    assert regressor.error.relative_percent < 0.5
    assert regressor.linear_error.relative_percent < 0.5
    assert regressor.predict(fresh[0]) == pytest.approx(float(truth[0]), rel=0.01)


def test_what_operations_do_together_is_learned_beyond_the_sum():
    """Two convolutions that follow each other share a buffer, say."""
    architectures = sample(NB201, 800)
    z = codes_of(NB201, architectures).view(-1, 6, 4)
    latency = 5 + z.sum((1, 2)) + 4 * z[:, 0, 1] * z[:, 2, 1] + 3 * z[:, 3, 0] * z[:, 1, 2]
    regressor = LatencyRegressor.fit(NB201, architectures, latency)
    assert regressor.error.relative_percent < 0.6 * regressor.linear_error.relative_percent
    assert regressor.held_out == 80


def test_the_fit_is_that_of_its_seed_and_nobody_elses():
    architectures = sample(NB201, 60)
    latency = 1 + torch.rand(60, generator=generator(2))
    state = torch.random.get_rng_state()
    one, same, other = (LatencyRegressor.fit(NB201, architectures, latency, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    z = codes_of(NB201, sample(NB201, 10, seed=3))
    assert torch.equal(one(z), same(z))
    assert not torch.equal(one(z), other(z))


def test_nothing_but_the_input_gets_a_gradient():
    architectures = sample(NB201, 40)
    regressor = LatencyRegressor.fit(NB201, architectures, 1 + torch.rand(40, generator=generator(2)))
    z = codes_of(NB201, architectures[:1]).requires_grad_()
    regressor(z).sum().backward()
    assert z.grad is not None
    assert all(not p.requires_grad and p.grad is None for p in regressor.network.parameters())


def test_mixtures_have_the_mean_of_their_latencies():
    """Where there is no sum to it: the latency is that of the slower of two edges."""
    architectures = sample(NB201, 1500)
    z = codes_of(NB201, architectures).view(-1, 6, 4)
    edge = (z * torch.tensor([0.0, 1.0, 3.0, 2.0])).sum(2)
    latency = 1 + edge[:, 0].maximum(edge[:, 5]) * edge[:, 2]
    shares = torch.full((6, 4), 1 / 5)
    exact = np.mean(
        [1 + max(a, b) * c for a, b, c in itertools.product((0.0, 0.0, 1.0, 3.0, 2.0), repeat=3)]
    )  # 'none' is the fifth operation
    off = {}
    for mixtures in (False, True):
        regressor = LatencyRegressor.fit(NB201, architectures, latency, mixtures=mixtures)
        off[mixtures] = abs(float(regressor(shares.flatten())) - exact) / exact
    assert off[True] < 0.05
    assert off[True] < off[False]


def test_errors_of_predictions():
    error = PredictionError.of(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2.0, 2.0, 0.1]))
    assert error.absolute_ms == pytest.approx((1 + 0 + 3.9) / 3)
    assert error.relative_percent == pytest.approx(25), "the third takes less than half a millisecond"
    assert error.spearman == pytest.approx(-math.sqrt(3) / 2)
    assert "25.0 %" in str(error)
    flat = PredictionError.of(torch.tensor([1.0, 1.0]), torch.tensor([0.2, 0.1]))
    assert (flat.relative_percent, flat.spearman) == (None, None)
    assert str(flat) == "0.85 ms"


def test_bad_measurements_are_one_sentence():
    architectures = sample(NB201, FEWEST)
    with pytest.raises(DataError, match="needs 20 measured architectures or more, and there are 19"):
        LatencyRegressor.fit(NB201, architectures[1:], [1.0] * 19)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(DataError, match=r"The latency of '\|.* no positive number"):
            LatencyRegressor.fit(NB201, architectures, [1.0] * 19 + [wrong])


def test_constant_latencies_are_no_problem():
    regressor = LatencyRegressor.fit(NB201, sample(NB201, 30), [2.0] * 30)
    assert regressor.predict(sample(NB201, 1, seed=1)[0]) == pytest.approx(2.0, abs=1e-3)


def test_a_sum_over_parts_is_the_cost_models():
    space = toy_space()
    model = CostModel(space, NetworkConfig(channels=4), threads=1)
    summed = SummedLatency(model, space)
    architecture = space.sample(generator(0))
    assert summed.predict(architecture) == model.predicted_latency_ms(architecture)
    expected = summed.expected(space.one_hot(architecture))
    assert float(expected) == pytest.approx(model.predicted_latency_ms(architecture), rel=1e-5)
    low, high = model.range("latency_ms")
    assert low <= summed.mean_ms <= high
    assert summed.report() == {"from": "a sum over parts"}


@pytest.mark.data
@pytest.mark.parametrize(
    ("column", "percent", "spearman"),
    [("latency_ms_1080ti_1", 3.0, 0.98), ("latency_ms_gold_6226", 5.5, 0.975), ("latency_ms_1080ti_256", 0.8, 0.998)],
)
def test_published_latencies_of_nas_bench_201(column, percent, spearman):
    """From 500 cells; the bounds are what a perceptron alone reaches on other 5,000."""
    from nascence.benchmarks.tables import load_table

    folder = Path(os.environ.get("NASCENCE_DATA", "../shared/data"))
    if not (folder / "tables").is_dir():
        pytest.skip("no tables")
    table = load_table("nas-bench-201", folder)
    order = torch.randperm(len(table), generator=generator(0)).tolist()
    architectures, values = table.architectures(), table.column(column)
    fit, judge = order[:500], order[500:2500]
    regressor = LatencyRegressor.fit(NB201, [architectures[at] for at in fit], values[fit])
    found = regressor(codes_of(NB201, [architectures[at] for at in judge]))
    error = PredictionError.of(found, torch.from_numpy(values[judge]))
    assert error.relative_percent < percent
    assert error.spearman > spearman
