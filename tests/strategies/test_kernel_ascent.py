import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import BudgetError, SettingError
from nascence.relaxations.decisions import Decisions
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.kernel_ascent import KernelAscent

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")
SMALL = NetworkConfig(channels=4, depth=2)


def decisions(space):
    return Decisions(space, tuple(o for o in space.operations if o != "none"))


def noise(logits, step, scale=1.0, seed=0):
    """A trace in [0, 10) and a gradient of every step."""
    random = generator(seed, "gradient", step)
    trace = 10 * torch.rand((), generator=random, dtype=torch.float64)
    return scale * trace, {name: scale * torch.randn(v.shape, generator=random) for name, v in logits.items()}


def ascent(gradient=noise, space=NB201, steps=7, mu=2.0, nu=None, nu_start=None, budget=None):
    checker = (budget or Budget()).bind(space, SMALL, threads=1)
    return KernelAscent(decisions(space), gradient, steps=steps, mu=mu, nu=nu, nu_start=nu_start, budget=checker)


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def norm(tensors):
    return float(torch.cat([value.flatten() for value in tensors.values()]).norm())


@pytest.mark.parametrize(("mu", "factor"), [(1.0, 0.0), (2.0, -1.0), (0.0, 1.0)])
def test_the_gradient_on_both_sides_of_nu(mu, factor):
    """R = s - mu max(0, s - nu): d R = d s below nu and (1 - mu) d s above."""
    trace, gradient = noise(decisions(NB201).zeros(), 0)
    for nu, expected in ((float(trace) + 1, 1.0), (float(trace), 1.0), (float(trace) - 1, factor)):
        strategy = ascent(steps=1, mu=mu, nu=nu)
        event = strategy.advance()
        assert event["above"] == (expected != 1.0 or nu < float(trace))
        for name, value in strategy.logits().items():
            torch.testing.assert_close(value, expected * gradient[name] / (norm(gradient) if expected else 1.0))


def test_one_step_has_length_one():
    strategy = ascent(steps=1)
    finish(strategy)
    assert norm(strategy.logits()) == pytest.approx(1.0)


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_the_step_is_never_longer_than_one(space):
    for seed in range(3):
        strategy = ascent(lambda logits, step, seed=seed: noise(logits, step, seed=seed), space)
        finish(strategy)
        assert 0 < norm(strategy.logits()) <= 1


def test_gradients_are_divided_by_the_running_largest_norm():
    strategy = ascent(nu=4.0)
    finish(strategy)
    zeros = decisions(NB201).zeros()
    parallel = [noise(zeros, step) for step in range(7)]
    scaled = [{n: (1.0 if s <= 4 else -1.0) * g for n, g in gradient.items()} for s, gradient in parallel]
    largest = torch.tensor([norm(gradient) for gradient in scaled]).cummax(0).values
    for name, value in strategy.logits().items():
        expected = sum(g[name] / m for g, m in zip(scaled, largest, strict=True)) / 7
        torch.testing.assert_close(value, expected)


def test_scaling_the_loss_changes_nothing():
    """Ten times the loss: a hundred times s and its gradient; the same step where nu is scaled, too."""
    one = ascent(nu=5.0)
    two = ascent(lambda logits, step: noise(logits, step, scale=100.0), nu=500.0)
    finish(one)
    finish(two)
    for name, value in one.logits().items():
        torch.testing.assert_close(two.logits()[name], value)
    assert one.derive() == two.derive()


class TestThreshold:
    def test_constant(self):
        strategy = ascent(nu=3.0)
        assert [event["nu"] for event in finish(strategy)] == [3.0] * 7

    @pytest.mark.parametrize("start", [None, 500.0])
    def test_running_mean_of_what_came_before(self, start):
        strategy = ascent(nu_start=start)
        events = finish(strategy)
        seen = [] if start is None else [start]
        for event in events:
            expected = sum(seen) / len(seen) if seen else None
            assert event["nu"] == (pytest.approx(expected) if seen else None)
            assert event["above"] == (expected is not None and event["trace"] > expected)
            seen.append(event["trace"])
        assert {event["above"] for event in events} == ({True, False} if start is None else {False})


def test_a_toy_supernet_by_hand():
    """One decision between c_k x for c = (1, 2, 3), s = (sum_k w_k c_k)^2: the larger |c_k| while s < nu, the smaller
    one when mu = 2 and s > nu."""
    c = torch.zeros(6, 4)
    c[:, :3] = torch.tensor([1.0, 2.0, 3.0])

    def gradient(logits, step):
        leaf = logits["cell"].clone().requires_grad_()
        weights = decisions(NB201).straight_through({"cell": leaf}, generator(0, step))["cell"]
        s = (weights[:, 1:] * c).sum().square()
        return s.detach(), {"cell": torch.autograd.grad(s, leaf)[0]}

    for nu, best in ((math.inf, 2), (0.0, 3)):
        strategy = ascent(gradient, steps=40, mu=2.0, nu=nu)
        finish(strategy)
        assert strategy.logits()["cell"].argmax(1).tolist() == [best] * 6
        assert strategy.derive().answers == (decisions(NB201).allowed[best],) * 6


def test_zero_gradients_are_harmless():
    strategy = ascent(lambda logits, step: (torch.tensor(0.0), logits), steps=3)
    finish(strategy)
    assert norm(strategy.logits()) == 0
    assert NB201.architecture(strategy.derive().answers)


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_resumes_exactly_from_every_step(space):
    whole = ascent(space=space, steps=11)  # more than are computed in parallel
    states, events = [whole.state_dict()], []
    while not whole.done:
        events.append(whole.advance())
        states.append(whole.state_dict())
    for done, state in enumerate(states):
        resumed = ascent(space=space, steps=11)
        resumed.load_state_dict(state)
        assert finish(resumed) == events[done:]
        assert all(torch.equal(value, whole.logits()[name]) for name, value in resumed.logits().items())
        assert resumed.derive() == whole.derive()


def test_the_result_on_darts_is_valid_and_the_most_probable():
    strategy = ascent(space=DARTS)
    finish(strategy)
    chosen = DARTS.edge_operations(strategy.derive())
    logits = strategy.logits()

    def probability(edges):
        total = 0.0
        for name, sets in decisions(DARTS).edge_sets().items():
            kind = name.split("/")[0]
            kept = next(at for at, one in enumerate(sets) if set(one) <= set(edges[kind]))
            total += float(logits[name].log_softmax(0)[kept])
        for kind, cell in edges.items():
            for at, operation in cell.items():
                total += float(logits[kind][at].log_softmax(0)[decisions(DARTS).allowed.index(operation)])
        return total

    best = probability(chosen)
    for neighbour in DARTS.neighbours(strategy.derive()):
        assert probability(DARTS.edge_operations(neighbour)) <= best + 1e-6


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_the_result_is_within_the_budget(space):
    model = Budget().bind(space, SMALL, threads=1).model
    low, high = model.range("params")
    for share in (0.0, 0.05, 0.5):
        budget = Budget(max_params=low + share * (high - low))
        strategy = ascent(space=space, budget=budget, steps=2)
        finish(strategy)
        assert budget.bind(space, SMALL).allows(strategy.derive())


def test_what_cannot_work_is_refused_before_the_search():
    with pytest.raises(BudgetError, match="reachable"):
        ascent(budget=Budget(max_params=1))
    with pytest.raises(SettingError, match="at least 1"):
        ascent(steps=0)
