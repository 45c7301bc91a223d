import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import BudgetError, SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.pruning import Indicator, SupernetPruning, dense_rank, log_change, relative_change
from nascence.testing import reference

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
SMALL = NetworkConfig(channels=4, depth=2)
PRUNE = {"nas-bench-201": 1, "darts": 3}
FREE = {space.name: Budget().bind(space, SMALL, threads=1) for space in (NB201, DARTS)}


def noise(name, larger_is_better):
    """A positive number of every supernet, round and draw, from nothing but these."""

    def measure(weights, at_round, draw):
        flat = torch.cat([w.flatten(1) for w in weights.values()], dim=1).double()
        direction = torch.randn(flat.shape[1], generator=generator(7, name, at_round, draw), dtype=torch.float64)
        return 10 + (flat > 0).double() @ direction.abs() + (flat @ direction).sin()

    return Indicator(name, larger_is_better, measure)


def pruning(space, indicators=None, draws=1, prune=None, budget=None, **more):
    indicators = [noise("kappa", False), noise("regions", True)] if indicators is None else indicators
    budget = FREE[space.name] if budget is None else budget.bind(space, SMALL, threads=1)
    return SupernetPruning(space, indicators, draws=draws, prune=prune or PRUNE[space.name], budget=budget, **more)


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


@pytest.mark.parametrize(
    ("space", "prune", "counts"),
    [
        (NB201, 1, [24, 18, 12]),
        (NB201, 2, [24, 12]),
        (NB201, 9, [24]),
        (DARTS, 3, [196, 112, *([3, 4, 5] * 2)]),
        (DARTS, 2, [196, 140, 84, *([3, 4, 5] * 2)]),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_rounds_and_candidates_are_the_papers(space, prune, counts):
    strategy = pruning(space, prune=prune)
    assert strategy.total_steps == len(counts)
    events = finish(strategy)
    assert [event["candidates"] for event in events] == counts
    if (space, prune) in ((NB201, 1), (DARTS, 3)):
        assert sum(counts) == {"nas-bench-201": 54, "darts": 332}[space.name]
    architecture = strategy.derive()
    assert space.architecture(architecture.answers) == architecture
    assert "none" not in architecture.answers
    for kind, mask in strategy.remaining.items():
        assert mask.sum(1).max() == 1
        if space is DARTS:
            assert mask.sum() == 8
            for node in range(2, 6):
                assert mask[space.shape.edges_into(node)].sum() == 2, kind


def test_every_round_removes_its_number_from_every_edge():
    events = finish(pruning(NB201, draws=2))
    assert [event["round"] for event in events] == [0, 0, 1, 1, 2, 2]
    assert [event["draw"] for event in events] == [0, 1] * 3
    assert ["removed" in event for event in events] == [False, True] * 3
    for left, event in zip((3, 2, 1), events[1::2], strict=True):
        assert len(event["removed"]) == 6
        assert {len(names) for names in event["remaining"]["cell"].values()} == {left}


def test_weights_are_equal_shares_and_candidates_lack_one_operation():
    seen = []

    def measure(weights, at_round, draw):
        seen.append(weights["cell"])
        return torch.ones(len(weights["cell"]))

    strategy = pruning(NB201, [Indicator("seen", True, measure)])
    candidates = strategy.candidates()
    finish(strategy)
    first = seen[0]
    assert first.shape == (25, 6, 5)
    torch.testing.assert_close(first[0], torch.tensor([0, 0.25, 0.25, 0.25, 0.25]).repeat(6, 1))
    for candidate, weights in zip(candidates, first[1:], strict=True):
        assert weights[candidate.edge, candidate.operation] == 0
        torch.testing.assert_close(weights[candidate.edge].sum(), torch.tensor(1.0))
        assert (weights[candidate.edge] > 0).sum() == 3
        others = [edge for edge in range(6) if edge != candidate.edge]
        assert torch.equal(weights[others], first[0][others])


@pytest.mark.parametrize("change", [log_change, relative_change])
def test_scores_are_the_papers_ranking(change):
    """The sum of ranks by the text of the paper, on random indicators."""
    strategy = pruning(NB201, draws=3, change=change)
    rows = {"kappa": [], "regions": []}
    for indicator in strategy.indicators:
        original = indicator.measure

        def record(weights, at_round, draw, original=original, name=indicator.name):
            values = original(weights, at_round, draw)
            if at_round == 0:
                rows[name].append(values.tolist())
            return values

        object.__setattr__(indicator, "measure", record)
    candidates = strategy.candidates()
    for _ in range(2):
        strategy.advance()
    scores = []
    original = strategy.scores
    strategy.scores = lambda candidates: scores.append(original(candidates)) or scores[-1]
    strategy.advance()
    expected = reference.te_nas_scores(
        [row[0] for row in rows["kappa"]],
        [row[1:] for row in rows["kappa"]],
        [row[0] for row in rows["regions"]],
        [row[1:] for row in rows["regions"]],
        log=change is log_change,
    )
    assert scores[0].tolist() == expected
    assert len(set(expected)) > 5
    assert len(candidates) == 24


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_signs(space):
    """Lower kappa and as many regions: pruned first. Higher kappa and fewer regions: pruned last."""
    good, bad = 3, 1  # operations

    def kappa(weights, at_round, draw):
        presence = sum((w[..., good] > 0).double().sum(1) - (w[..., bad] > 0).double().sum(1) for w in weights.values())
        return 100 - presence

    def regions(weights, at_round, draw):
        return 100 + sum((w[..., good] > 0).double().sum(1) for w in weights.values())

    indicators = [Indicator("kappa", False, kappa), Indicator("regions", True, regions)]
    strategy = pruning(space, indicators, prune=1)
    first = strategy.advance()["removed"]
    assert all(name.endswith(space.operations[bad]) for name in first)
    finish(strategy)
    edges = space.edge_operations(strategy.derive())
    assert {name for cell in edges.values() for name in cell.values()} == {space.operations[good]}


def test_an_indicator_that_says_nothing_does_not_matter():
    constant = Indicator("constant", True, lambda weights, *_: torch.full((len(next(iter(weights.values()))),), 5.0))
    one, two = pruning(NB201, [noise("kappa", False)]), pruning(NB201, [noise("kappa", False), constant])
    finish(one)
    finish(two)
    assert one.derive() == two.derive()


@pytest.mark.parametrize("worst", [math.inf, 0.0])
def test_degenerate_values_never_become_nan(worst):
    def measure(weights, at_round, draw):
        values = noise("kappa", False).measure(weights, at_round, draw)
        values[::3] = worst
        if draw == 1:
            values[0] = 4.0
        return values

    strategy = pruning(NB201, [Indicator("kappa", False, measure), noise("regions", True)], draws=3)
    while not strategy.done:
        strategy.advance()
        assert not any(total.isnan().any() for total in strategy.sums.values())
    assert "none" not in strategy.derive().answers


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_resumes_exactly_from_every_step(space):
    whole = pruning(space, draws=2)
    states, events = [whole.state_dict()], []
    while not whole.done:
        events.append(whole.advance())
        states.append(whole.state_dict())
    for done, state in enumerate(states):
        resumed = pruning(space, draws=2)
        resumed.load_state_dict(state)
        assert resumed.steps_done == done
        assert finish(resumed) == events[done:]
        assert resumed.derive() == whole.derive()
    assert len(states) == whole.total_steps + 1


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
@pytest.mark.parametrize("cost", ["params", "flops"])
def test_always_ends_within_the_budget(space, cost):
    low, high = FREE[space.name].model.range(cost)
    for seed, share in enumerate((0.0, 0.02, 0.2, 0.6)):
        budget = Budget(**{f"max_{cost}": low + share * (high - low)})
        strategy = pruning(space, [noise(f"kappa {seed}", False), noise("regions", True)], budget=budget)
        finish(strategy)
        architecture = strategy.derive()
        assert budget.bind(space, SMALL, threads=1).allows(architecture), share
        assert strategy.steps_done == strategy.total_steps


def test_both_limits_at_once():
    model = FREE["nas-bench-201"].model
    budget = Budget(max_params=sum(model.range("params")) / 3, max_flops=sum(model.range("flops")) / 4)
    strategy = pruning(NB201, budget=budget)
    finish(strategy)
    assert budget.bind(NB201, SMALL).allows(strategy.derive())


class _OnlyNone:
    """A budget that nothing meets but the edges of one node being dead."""

    def feasible(self, remaining):
        return bool(remaining["cell"][0, NB201.operations.index("none")])

    def check(self):
        pass


def test_what_is_excluded_comes_back_when_the_budget_cannot_be_met_without_it():
    strategy = SupernetPruning(NB201, [noise("kappa", False)], draws=1, prune=1, budget=_OnlyNone())
    events = finish(strategy)
    assert [event["candidates"] for event in events] == [30, 24, 18, 12]
    assert strategy.derive().answers[0] == "none"


def test_nothing_within_the_budget_is_said_before_the_search():
    with pytest.raises(BudgetError, match="reachable"):
        pruning(NB201, budget=Budget(max_params=1))
    with pytest.raises(BudgetError, match="reachable"):
        pruning(DARTS, budget=Budget(max_params=1))


@pytest.mark.parametrize(("draws", "prune"), [(0, 1), (1, 0), (-1, 1), (1, -2)])
def test_settings_that_would_prune_nothing_are_refused(draws, prune):
    with pytest.raises(SettingError, match="at least 1"):
        SupernetPruning(NB201, [], draws=draws, prune=prune, budget=FREE["nas-bench-201"])


class TestRelativeChange:
    def test_of_positive_numbers(self):
        change = relative_change(torch.tensor(4.0), torch.tensor([2.0, 4.0, 8.0]))
        assert change.tolist() == [0.5, 0.0, -1.0]

    def test_limits(self):
        inf = math.inf
        before = torch.tensor([inf, inf, 4.0, 0.0, 0.0, 4.0, inf, 0.0])
        after = torch.tensor([4.0, inf, inf, 0.0, 3.0, 0.0, 0.0, inf])
        assert relative_change(before, after).tolist() == [1.0, 0.0, -inf, 0.0, -inf, 1.0, 1.0, -inf]

    def test_sums_over_draws_are_never_nan(self):
        ends = torch.tensor([0.0, 1.0, math.inf], dtype=torch.float64)
        before, after = torch.cartesian_prod(ends, ends).unbind(1)
        change = relative_change(before, after)
        assert not (change[:, None] + change[None]).isnan().any()


class TestLogChange:
    def test_of_positive_numbers_is_symmetric(self):
        change = log_change(torch.tensor(4.0), torch.tensor([2.0, 4.0, 8.0]))
        assert change.tolist() == pytest.approx([math.log(2), 0.0, -math.log(2)])

    def test_limits(self):
        inf = math.inf
        before = torch.tensor([inf, inf, 4.0, 0.0, 0.0, 4.0, inf, 0.0])
        after = torch.tensor([4.0, inf, inf, 0.0, 3.0, 0.0, 0.0, inf])
        assert log_change(before, after).tolist() == [50, 0, -50, 0, -50, 50, 50, -50]

    def test_agrees_with_the_relative_change_to_first_order(self):
        before = torch.tensor(100.0, dtype=torch.float64)
        after = torch.tensor([99.9, 100.1], dtype=torch.float64)
        assert torch.allclose(log_change(before, after), relative_change(before, after), rtol=1e-3)


def test_one_outlier_decides_by_relative_changes_but_not_by_logarithms():
    """Removing ``skip_connect`` halves the number in three draws of four and multiplies it by four in the fourth;
    every other removal leaves it."""
    space = NB201
    skip = space.operations.index("skip_connect")

    def measure(weights, at_round, draw):
        gone = weights["cell"][:, :, skip] == 0
        return 4.0 * torch.where(gone, 4.0 if draw == 3 else 0.5, 1.0).prod(1)

    removed = {}
    for change in (log_change, relative_change):
        strategy = SupernetPruning(
            space,
            [Indicator("noisy", False, measure)],
            draws=4,
            prune=1,
            budget=FREE["nas-bench-201"],
            change=change,
        )
        removed[change] = [strategy.advance() for _ in range(4)][-1]["removed"]
    assert not any("skip_connect" in name for name in removed[relative_change])
    assert all("skip_connect" in name for name in removed[log_change])


class TestDenseRank:
    def test_ties_share_and_the_next_follows(self):
        assert dense_rank(torch.tensor([3.0, 1.0, 3.0, 2.0])).tolist() == [2, 0, 2, 1]

    def test_infinities(self):
        assert dense_rank(torch.tensor([math.inf, 0.0, -math.inf, math.inf])).tolist() == [2, 1, 0, 2]

    def test_one(self):
        assert dense_rank(torch.tensor([5.0])).tolist() == [0]


def test_an_indicator_that_is_infinite_throughout_is_told():
    def infinite(weights, at_round, draw):
        return torch.full((len(next(iter(weights.values()))),), math.inf, dtype=torch.float64)

    strategy = pruning(NB201, [Indicator("kappa", False, infinite), noise("regions", True)], draws=2)
    assert strategy.findings() == {}
    first = strategy.advance()
    assert first["warning"].startswith("Round 1: kappa is infinite for every candidate and tells nothing")
    again = pruning(NB201, [Indicator("kappa", False, infinite), noise("regions", True)], draws=2)
    again.load_state_dict(strategy.state_dict())
    finish(again)
    assert "kappa is infinite for every candidate of every round" in again.findings()["collapse"]
    undisturbed = pruning(NB201)
    assert not any("warning" in event for event in finish(undisturbed))
    assert undisturbed.findings() == {}
    older = {name: value for name, value in undisturbed.state_dict().items() if name != "blind"}
    undisturbed.load_state_dict(older)
    assert undisturbed.findings() == {}
