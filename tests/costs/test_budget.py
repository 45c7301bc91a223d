import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nascence.costs import Budget, BudgetChecker, CostModel, LatencyMeasurement, params
from nascence.costs.cells import CellPricing
from nascence.costs.networks import Networks
from nascence.errors import BudgetError, SettingError
from nascence.spaces import Choice, NetworkConfig, Space, get_space

NB201 = get_space("nas-bench-201")
DARTS = get_space("darts")
EVALUATION = NB201.networks["evaluation"]
SMALL = NetworkConfig(channels=4, depth=5)


def cell_scores(space, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(space.shape.edges), len(space.operations))
    return {kind: torch.randn(shape, generator=generator) for kind in space.kinds}


def total(space, scores, architecture):
    chosen = space.edge_operations(architecture)
    return sum(
        float(scores[kind][at, space.operations.index(name)].double())
        for kind, edges in chosen.items()
        for at, name in edges.items()
    )


@pytest.fixture(scope="module")
def all_costs():
    """Every cell's (params, flops), by brute force over the model."""
    model = Budget().bind(NB201, EVALUATION).model
    return {a: (model.params(a), model.flops(a)) for a in NB201.enumerate()}


@pytest.fixture
def clock(monkeypatch):
    """Latency without a clock: operations cost FLOPs / 1e6 ms, whole networks 1.5 x ``surprise`` times that."""
    state = {"measured": [], "shipped": [], "surprise": lambda architecture: 1.0, "shipping": 1.0, "interrupted": 0.0}

    def latency(self):
        constant, table = self.table("flops")
        return constant / 1e6, table / 1e6

    def measure(self, architectures, repeats=30, warm_up=5, *, shipped=False):
        state["shipped" if shipped else "measured"] += architectures
        took = [1.5 * self.count("flops", one) / 1e6 * state["surprise"](one) for one in architectures]
        took = [ms * (state["shipping"] if shipped else 1) for ms in took]
        return [LatencyMeasurement(ms, 0.0, 1, 1, "no clock", interrupted=state["interrupted"]) for ms in took]

    monkeypatch.setattr(CellPricing, "_latency", latency)
    monkeypatch.setattr(Networks, "measure_all", measure)
    return state


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "5"])
def test_impossible_limits_are_refused(limit):
    with pytest.raises(SettingError, match="max_params must be a positive number"):
        Budget(max_params=limit)


def test_an_empty_budget_allows_everything_and_measures_nothing(clock):
    budget = Budget()
    checker = budget.bind(NB201, EVALUATION)
    architecture = NB201.from_index(0)
    assert not budget
    assert budget.limits == {}
    checker.check()
    assert checker.allows(architecture)
    assert checker.feasible({"cell": torch.ones(6, 5, dtype=torch.bool)})
    assert checker.repair(architecture).architecture == architecture
    assert set(checker.costs(architecture)) == {"params", "flops"}
    scores = cell_scores(NB201, 0)
    assert checker.best(scores).answers == tuple(NB201.operations[at] for at in scores["cell"].argmax(1))
    assert clock["measured"] == []


def test_limits_are_inclusive():
    architecture = NB201.from_index(1)
    assert Budget(max_params=802426).bind(NB201, EVALUATION).allows(architecture)
    assert not Budget(max_params=802425).bind(NB201, EVALUATION).allows(architecture)


def test_check_names_the_reachable_range():
    Budget(max_params=73306).bind(NB201, EVALUATION).check()
    with pytest.raises(BudgetError, match=r"parameters <= 73,305; reachable: parameters from 73,306 to 1,531,546"):
        Budget(max_params=73305, max_flops=1e12).bind(NB201, EVALUATION).check()


def test_feasible_equals_enumeration_for_two_limits_jointly(all_costs):
    random = np.random.default_rng(0)
    costs = np.array(list(all_costs.values()))
    answers = np.array([[NB201.operations.index(a) for a in architecture.answers] for architecture in all_costs])
    outcomes, model = set(), CostModel(NB201, EVALUATION)
    for _ in range(40):
        limits = np.quantile(costs, random.uniform(0, 0.6), axis=0)
        remaining = torch.from_numpy(random.random((6, 5)) < 0.4)
        checker = BudgetChecker(Budget(max_params=limits[0], max_flops=limits[1]), model)
        left = remaining.numpy()[np.arange(6), answers].all(axis=1)
        expected = bool((left & (costs <= limits).all(axis=1)).any())
        assert checker.feasible({"cell": remaining}) == expected
        options = {
            at: [operation for operation, on in zip(NB201.operations, row, strict=True) if on]
            for at, row in enumerate(remaining.tolist())
        }
        assert checker.feasible_options(options) == expected
        outcomes.add(expected)
    assert outcomes == {True, False}


def test_best_equals_enumeration_on_nas_bench_201(all_costs):
    for seed in range(5):
        scores = cell_scores(NB201, seed)
        checker = Budget(max_params=0.4e6, max_flops=100e6).bind(NB201, EVALUATION)
        inside = [a for a, (p, f) in all_costs.items() if p <= 0.4e6 and f <= 100e6]
        best = max(inside, key=lambda a, scores=scores: total(NB201, scores, a))
        found = checker.best(scores)
        assert total(NB201, scores, found) == pytest.approx(total(NB201, scores, best))
        assert found == best


def test_best_within_what_remains():
    remaining = torch.ones(6, 5, dtype=torch.bool)
    remaining[:, 3] = False
    scores = {"cell": torch.arange(5.0).remainder(4).repeat(6, 1)}  # nor_conv_3x3 scores most, then nor_conv_1x1
    checker = Budget(max_params=1e6).bind(NB201, EVALUATION)
    assert set(checker.best(scores, {"cell": remaining}).answers) == {"nor_conv_1x1"}
    with pytest.raises(BudgetError, match="remaining"):
        checker.best(scores, {"cell": torch.zeros(6, 5, dtype=torch.bool)})


def test_best_on_darts_without_a_budget_keeps_the_two_best_edges_of_every_node():
    scores = cell_scores(DARTS, 0)
    checker = Budget().bind(DARTS, SMALL)
    cells = DARTS.edge_operations(checker.best(scores))
    for kind, target in itertools.product(DARTS.kinds, range(2, 6)):
        into = DARTS.shape.edges_into(target)
        strength = {at: float(scores[kind][at, 1:].max()) for at in into}
        kept = sorted(sorted(into, key=strength.get)[-2:])
        assert [at for at in into if at in cells[kind]] == kept
        for at in kept:
            assert cells[kind][at] == DARTS.operations[1 + int(scores[kind][at, 1:].argmax())]


@pytest.mark.parametrize("budget", [Budget(max_params=16e3), Budget(max_params=15e3, max_flops=5.2e6)])
def test_best_on_darts_is_within_the_budget_and_no_exchange_improves_it(budget):
    """Checked against all exchanges of the answers of one node, and against random architectures."""
    checker = budget.bind(DARTS, SMALL)
    scores = cell_scores(DARTS, 1)
    unlimited = Budget().bind(DARTS, SMALL).best(scores)
    assert not checker.allows(unlimited)
    found = checker.best(scores)
    module = DARTS.build(found, network=SMALL)
    assert params(module) == checker.costs(found)["params"] <= budget.max_params
    assert checker.allows(found)
    best = total(DARTS, scores, found)
    generator = torch.Generator().manual_seed(0)
    others = list(DARTS.neighbours(found)) + [DARTS.sample(generator) for _ in range(500)]
    inside = [other for other in others if checker.allows(other)]
    assert len(inside) > 50
    assert max(total(DARTS, scores, other) for other in inside) <= best + 1e-9


def test_feasible_on_darts_needs_two_edges_a_node_and_takes_the_cheapest():
    low, _ = Budget().bind(DARTS, SMALL).model.range("params")
    checker = Budget(max_params=low).bind(DARTS, SMALL)
    everything = {kind: torch.ones(14, 8, dtype=torch.bool) for kind in DARTS.kinds}
    assert checker.feasible(everything)
    assert checker.feasible({})
    dear = {kind: mask.clone() for kind, mask in everything.items()}
    dear["normal"][:3, 1:4] = False  # three convolution-only edges into nodes 2 and 3: node 2 has no cheap pair left
    assert not checker.feasible(dear)
    one_edge = {kind: mask.clone() for kind, mask in everything.items()}
    one_edge["reduce"][0] = False
    assert not Budget().bind(DARTS, SMALL).feasible(one_edge)
    only_none = {"normal": torch.zeros(14, 8, dtype=torch.bool)}
    only_none["normal"][:, 0] = True
    assert not Budget().bind(DARTS, SMALL).feasible(only_none)


def test_latency_is_predicted_and_limits_together_with_the_others(clock):
    checker = Budget(max_latency_ms=50, max_params=0.5e6).bind(NB201, EVALUATION)
    costs = checker.costs(NB201.from_index(1))
    assert costs["latency_ms"] == pytest.approx(227.90272)
    found = checker.best({"cell": torch.arange(5.0).repeat(6, 1)})
    assert checker.allows(found)
    assert checker.costs(found)["latency_ms"] <= 50
    assert clock["measured"] == []
    assert checker.verify(found).median_ms == pytest.approx(1.5 * checker.costs(found)["latency_ms"])
    with pytest.raises(BudgetError, match=r"latency in ms <= 10; reachable: predicted latency in ms from 15.5[67]"):
        Budget(max_latency_ms=10).bind(NB201, EVALUATION).check()


def test_repair_keeps_what_measures_within_the_limit(clock):
    architecture = NB201.from_index(1)  # predicted 228 ms, measured 342
    repair = Budget(max_latency_ms=342).bind(NB201, EVALUATION).repair(architecture)
    assert (repair.architecture, repair.changes) == (architecture, ())
    assert repair.measured.median_ms <= 342
    assert clock["measured"] == [architecture] == clock["shipped"], "and as the file that is exported"


def test_what_is_exported_has_to_measure_within_the_limit_too(clock):
    architecture = NB201.architecture(["nor_conv_3x3"] * 6)  # measured 660 ms
    clock["shipping"] = 1.1
    repair = Budget(max_latency_ms=700).bind(NB201, EVALUATION).repair(architecture)
    assert clock["shipped"][0] == architecture
    assert repair.architecture != architecture
    assert repair.measured.median_ms <= 700
    assert clock["shipped"][-1] == repair.architecture


def test_in_pytorch_one_measurement_is_enough(clock):
    architecture = NB201.from_index(1)
    checker = Budget(max_latency_ms=342).bind(NB201, EVALUATION, runtime="torch")
    assert checker.repair(architecture).architecture == architecture
    assert clock["shipped"] == []


def test_repair_changes_as_little_as_needed_and_says_what(clock):
    architecture = NB201.architecture(["nor_conv_3x3"] * 6)  # measured 660 ms; one operation is about 102 (142 x 0.9)
    checker = Budget(max_latency_ms=600).bind(NB201, EVALUATION)
    assert checker.allows(architecture)
    scores = {"cell": torch.zeros(6, 5)}
    scores["cell"][4, 1] = 1.0  # of all single changes, skip_connect on the fifth edge is the best liked
    repair = checker.repair(architecture, scores)
    expected = list(architecture.answers)
    expected[4] = "skip_connect"
    assert repair.architecture.answers == tuple(expected)
    assert repair.changes == ("3<-1: nor_conv_3x3 -> skip_connect",)
    assert repair.measured.median_ms <= 600
    assert clock["measured"] == [architecture, repair.architecture]


def test_repair_goes_on_until_a_measurement_agrees(clock):
    architecture = NB201.architecture(["nor_conv_3x3"] * 6)
    clock["surprise"] = lambda a: 1.0 + 0.5 * (a.answers.count("nor_conv_3x3") > 2)
    repair = Budget(max_latency_ms=420).bind(NB201, EVALUATION).repair(architecture)
    assert repair.measured.median_ms <= 420
    assert len(clock["measured"]) >= 2
    assert len(repair.changes) == sum(
        a != b for a, b in zip(architecture.answers, repair.architecture.answers, strict=True)
    )


def test_repair_gives_up_in_one_sentence(clock):
    clock["surprise"] = lambda a: 1e6
    with pytest.raises(BudgetError, match="measures within 100 ms in ONNX Runtime on this machine") as refusal:
        Budget(max_latency_ms=100).bind(NB201, EVALUATION).repair(NB201.from_index(1))
    assert "the quickest of " in str(refusal.value)
    assert "other work" not in str(refusal.value)


def test_a_refusal_names_what_disturbed_the_measurements(clock):
    clock["surprise"], clock["interrupted"] = lambda a: 1e6, 0.8
    with pytest.raises(BudgetError, match=r"other work .* disturbed .*80% of the passes were interrupted.*try again"):
        Budget(max_latency_ms=100).bind(NB201, EVALUATION).repair(NB201.from_index(1))
    checker = Budget(max_latency_ms=10).bind(NB201, EVALUATION, runtime="torch")
    checker.model.networks.noise.append("40% of something")
    with pytest.raises(BudgetError, match=r"Latencies in PyTorch on this machine\. But other work .*40% of something"):
        checker.check()


def test_repair_of_a_network_beyond_an_exact_limit():
    architecture = NB201.architecture(["nor_conv_3x3"] * 6)
    repair = Budget(max_params=1.3e6).bind(NB201, EVALUATION).repair(architecture)
    assert len(repair.changes) == 1
    assert repair.measured is None
    assert params(repair.architecture.build()) <= 1.3e6


def test_violation_adds_up_what_is_too_much():
    checker = Budget(max_params=1000, max_flops=1e6).bind(NB201, SMALL)
    architecture = next(iter(NB201.enumerate()))
    params, flops = checker.model.params(architecture), checker.model.flops(architecture)
    expected = max(0, params / 1000 - 1) + max(0, flops / 1e6 - 1)
    assert checker.violation(architecture) == pytest.approx(expected)
    assert expected > 0
    assert Budget().bind(NB201, SMALL).violation(architecture) == 0
    loose = Budget(max_params=params, max_flops=flops).bind(NB201, SMALL)
    assert loose.violation(architecture) == 0
    assert loose.allows(architecture)


def test_a_space_whose_costs_do_not_add_up():
    """Each limit is checked by itself, and the cheapest architecture is found."""
    from nascence.spaces import SPACES
    from nascence.strategies.sampling import draw_within

    space = Entangled()
    SPACES._entries.setdefault(space.name, type(space))
    size = NetworkConfig(channels=4)
    costs = sorted(Budget().bind(space, size).model.params(one) for one in space.enumerate())
    checker = Budget(max_params=costs[0]).bind(space, size)
    assert not checker.adds_up
    checker.check()
    assert checker.model.params(checker.cheapest()) == costs[0]
    architecture, _, uniform = draw_within(space, checker, torch.Generator().manual_seed(0))
    assert checker.allows(architecture)
    assert isinstance(uniform, bool)
    with pytest.raises(BudgetError, match="reachable: parameters from"):
        Budget(max_params=costs[0] - 1).bind(space, size).check()
    with pytest.raises(BudgetError, match="raise it"):
        Budget(max_params=costs[0] - 1).bind(space, size).cheapest()


class Entangled(Space):
    """Three widths that all multiply."""

    name = "toy-entangled"
    networks = {"evaluation": NetworkConfig(channels=4)}
    choices = tuple(Choice(f"width {at}", ("1", "2", "3")) for at in range(3))

    def format(self, architecture):
        return "-".join(architecture.answers)

    def parse(self, text):
        return self.architecture(text.split("-"))

    def assemble(self, architecture, network, signature):
        a, b, c = map(int, architecture.answers)
        return nn.Sequential(nn.Conv2d(signature.features, a * b * c, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
