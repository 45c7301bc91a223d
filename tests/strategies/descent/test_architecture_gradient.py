"""The enhanced gradient: by hand, against the Fisher matrix, and as an optimiser on two benchmarks' whole tables.

The tables only test the optimiser: their expected accuracy under a product of softmaxes is exact, and so is its
gradient. Nothing is searched that anybody would use.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from nascence.schedules import Moment
from nascence.seeding import generator
from nascence.strategies.descent.architecture_gradient import CalibratedStep, clip_together, enhanced_gradient
from nascence.strategies.pareto import non_dominated


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def centred(values):
    return values - values.mean(-1, keepdim=True)


def softmax_gradient(alpha, merits):
    """g by autograd, of a loss whose derivative in p is ``merits``."""
    leaf = alpha.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((leaf.softmax(-1) * merits).sum(), leaf)
    return gradient


# The identities --------------------------------------------------------------------------------------------------


def test_the_softmax_gradient_is_p_times_the_merit_above_the_mean():
    alpha, s = draw(5, 8), draw(5, 8, seed=1)
    p = alpha.softmax(-1)
    expected = p * (s - (p * s).sum(-1, keepdim=True))
    assert torch.allclose(softmax_gradient(alpha, s), expected, atol=1e-12)
    step = 1e-6
    for edge, k in ((0, 0), (3, 7), (4, 2)):
        ends = []
        for sign in (1, -1):
            moved = alpha.clone()
            moved[edge, k] += sign * step
            ends.append(float((moved.softmax(-1) * s).sum()))
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(expected[edge, k]), abs=1e-8)


def test_it_is_the_merit_up_to_a_constant():
    alpha, s = 3 * draw(6, 8), draw(6, 8, seed=2)
    enhanced = enhanced_gradient(softmax_gradient(alpha, s), alpha.softmax(-1))
    assert torch.allclose(enhanced, centred(s), atol=1e-6)


def test_it_is_the_natural_gradient():
    """F^+ g, with the Fisher matrix F = diag(p) - p p^T of one edge."""
    alpha, s = draw(4, 8, seed=3), draw(4, 8, seed=4)
    g, p = softmax_gradient(alpha, s), alpha.softmax(-1)
    for edge in range(4):
        fisher = torch.diag(p[edge]) - torch.outer(p[edge], p[edge])
        natural = torch.linalg.pinv(fisher) @ g[edge]
        assert torch.allclose(centred(natural), enhanced_gradient(g, p)[edge], atol=1e-8)


def test_a_common_shift_of_the_logits_changes_nothing():
    alpha, s = draw(3, 8), draw(3, 8, seed=5)
    one, two = (enhanced_gradient(softmax_gradient(a, s), a.softmax(-1), 0.01) for a in (alpha, alpha + 7))
    assert torch.allclose(one, two, atol=1e-12)


def test_an_operation_that_fell_behind_is_judged_by_its_merit():
    alpha = torch.tensor([[8.0, 0.0, 0.0]], dtype=torch.float64)
    s = torch.tensor([[1.0, -1.0, 1.0]], dtype=torch.float64)
    g = softmax_gradient(alpha, s)
    assert g.abs().max() < 1e-3
    assert torch.allclose(enhanced_gradient(g, alpha.softmax(-1)), centred(s), atol=1e-9)
    assert enhanced_gradient(g, alpha.softmax(-1), 0.05).abs().max() < 0.1, "epsilon bounds it"


def test_low_precision_is_left_behind():
    p = torch.tensor([[1 - 2e-5, 1e-5, 1e-5]])
    g = torch.tensor([[0.0, 1e-3, -1e-3]])
    found = enhanced_gradient(g.bfloat16(), p.bfloat16())
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize(("norm", "factor"), [(5.0, 0.5), (20.0, 1.0), (0.0, 1.0)])
def test_all_gradients_are_clipped_together(norm, factor):
    values = [torch.full((2, 2), 3.0), torch.full((4, 4), 2.0)]  # squares 36 and 64: norm 10
    clipped = clip_together(values, norm)
    assert all(torch.allclose(one, factor * two) for one, two in zip(clipped, values, strict=True))


# The step ----------------------------------------------------------------------------------------------------------


def run(step, steps, costs, epochs=9, alpha=None):
    """Descend on sum p c alone: cross-entropy is zero, the cost's weight positive."""
    alpha = torch.zeros_like(costs) if alpha is None else alpha
    trace = [alpha]
    for at in range(steps):
        moment = Moment(at * epochs // steps, epochs)
        (moved,) = step([softmax_gradient(alpha, costs)], [alpha], moment)
        alpha = alpha - moved
        trace.append(alpha)
    return trace


COSTS = torch.tensor([[0.0, 0.2, 0.5, 1.0], [0.4, 0.9, 0.1, 0.8]], dtype=torch.float64)


@pytest.mark.parametrize("kind", ["plain", "enhanced"])
def test_with_cost_alone_the_cheapest_operation_wins(kind):
    last = run(CalibratedStep(kind, typical=0.05), 1500, COSTS)[-1].softmax(-1)
    assert last.argmax(-1).tolist() == [0, 2]
    assert last.max(-1).values.min() > 0.9


def test_the_rate_makes_the_median_step_typical_and_then_stays():
    step = CalibratedStep(typical=5e-3, calibration_steps=4)
    trace = run(step, 10, COSTS)
    moves = [(b - a).abs().median() for a, b in itertools.pairwise(trace)]
    assert float(moves[0]) == pytest.approx(5e-3, rel=1e-6)
    assert float(torch.stack(moves[:4]).median()) == pytest.approx(5e-3, rel=0.1)
    assert len(step.seen) == 4
    rate = step.rate
    run(step, 3, 100 * COSTS)
    assert step.rate == rate


def test_at_one_rate_the_enhanced_gradient_leaves_a_wrong_decision_sooner():
    """From p = 0.97 on the costliest operation. (With rates of equal first steps there would be no such difference:
    both follow the same merits, the plain gradient ever faster as the better operation's p grows.)"""
    start = torch.zeros(1, 4, dtype=torch.float64)
    start[0, 3] = 4.5
    needed = {}
    for kind in ("plain", "enhanced"):
        alpha = start
        for at in range(3000):
            g, p = softmax_gradient(alpha, COSTS[:1]), alpha.softmax(-1)
            if p.argmax(-1) == 0:
                needed[kind] = at
                break
            alpha = alpha - 0.1 * (enhanced_gradient(g, p) if kind == "enhanced" else g)
    assert needed["enhanced"] < needed["plain"] / 5


def test_epsilon_falls_after_a_third_of_the_search():
    step = CalibratedStep(epsilon=(0.5, 0.0), calibration_steps=1)
    alpha = torch.tensor([[4.0, 0.0, 0.0]], dtype=torch.float64)
    g = softmax_gradient(alpha, torch.tensor([[1.0, -1.0, 0.5]], dtype=torch.float64))
    early, third, late = (step([g], [alpha], Moment(epoch, 9))[0] for epoch in (2, 3, 8))
    assert torch.equal(third, late)
    assert late.abs().max() > 5 * early.abs().max()


def test_the_state_goes_on():
    step, again = CalibratedStep(calibration_steps=5), CalibratedStep(calibration_steps=5)
    middle = run(step, 3, COSTS)[-1]
    again.load_state_dict(step.state_dict())
    one, two = (run(each, 4, COSTS, alpha=middle) for each in (step, again))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_zero_gradient_moves_nothing():
    (moved,) = CalibratedStep()([torch.zeros(2, 3)], [torch.zeros(2, 3)], Moment(0, 3))
    assert torch.equal(moved, torch.zeros(2, 3))


# Whole tables --------------------------------------------------------------------------------------------------------


def descend(accuracy, costs, weight, *, rate=1.0, kind="enhanced", start=None, steps=400):
    """The most probable architecture after every step on -E[accuracy] / 10 + weight * sum p c, exactly."""
    alpha = torch.zeros_like(costs) if start is None else start
    path = []
    for _ in range(steps):
        leaf = alpha.clone().requires_grad_()
        p = leaf.softmax(-1)
        expected = accuracy
        for row in p:
            expected = torch.tensordot(row, expected, dims=([0], [0]))
        (g,) = torch.autograd.grad(-expected / 10 + weight * (p * costs).sum(), leaf)
        alpha = alpha - rate * (enhanced_gradient(g, p.detach()) if kind == "enhanced" else g)
        path.append(tuple(alpha.argmax(-1).tolist()))
    return path


def stable_after(path):
    return next(at for at in range(len(path)) if set(path[at:]) == {path[-1]}) + 1


def convolutions(options):
    """Costs [6, 5]: 1 for 3 x 3, 1/9 for 1 x 1, else 0; nine times that are weight units."""
    row = [{"nor_conv_3x3": 1.0, "nor_conv_1x1": 1 / 9}.get(name, 0.0) for name in options]
    return torch.tensor(row, dtype=torch.float64).repeat(6, 1)


@pytest.mark.data
def test_descent_on_the_table_of_nas_bench_201(table_tensors):
    """Reference values of the dossier, to a few steps."""
    options, accuracy = table_tensors("nas-bench-201", "cifar10_test_acc_200ep")
    costs = convolutions(options)
    steps = {}
    for kind, rate in (("enhanced", 1.0), ("plain", 1.0), ("plain", 10.0)):
        path = descend(accuracy, costs, 0.0, rate=rate, kind=kind)
        assert float(accuracy[path[-1]]) == pytest.approx(94.36, abs=0.005)
        steps[kind, rate] = stable_after(path)
    assert steps["enhanced", 1.0] == pytest.approx(36, abs=3)
    assert steps["plain", 1.0] == pytest.approx(214, abs=5)
    assert steps["plain", 10.0] == pytest.approx(19, abs=3)


@pytest.mark.data
def test_descent_away_from_a_near_certain_skip(table_tensors):
    options, accuracy = table_tensors("nas-bench-201", "cifar10_test_acc_200ep")
    start = torch.zeros(6, 5, dtype=torch.float64)
    start[:, options.index("skip_connect")] = math.log(0.99 / (0.01 / 4))
    for kind, rate, expected in (("enhanced", 1.0, 18), ("plain", 3.0, 96), ("plain", 10.0, 23)):
        path = descend(accuracy, convolutions(options), 0.0, rate=rate, kind=kind, start=start, steps=150)
        first = next(at for at, cell in enumerate(path, start=1) if float(accuracy[cell]) >= 94)
        assert first == pytest.approx(expected, abs=4), (kind, rate)


@pytest.mark.data
def test_the_costs_weight_goes_along_the_front_of_nas_bench_201(table_tensors):
    options, accuracy = table_tensors("nas-bench-201", "cifar10_test_acc_200ep")
    costs = convolutions(options)
    expected = {
        0: (94.36, 45),
        0.01: (94.37, 37),
        0.02: (94.31, 21),
        0.05: (94.31, 21),
        0.1: (93.75, 12),
        0.3: (91.12, 3),
    }
    for weight, (best, units) in expected.items():
        cell = descend(accuracy, costs, weight)[-1]
        assert float(accuracy[cell]) == pytest.approx(best, abs=0.01), weight
        assert round(9 * float(costs[range(6), cell].sum())) == units, weight


@pytest.mark.data
def test_the_costs_weight_goes_along_the_front_of_nas_bench_macro(table_tensors):
    """From the most accurate end to small networks, with a cost exactly on the table's own front."""
    _, accuracy, params = table_tensors("nas-bench-macro", "test_acc", "params")
    base = (0,) * 8
    costs = torch.zeros(8, 3, dtype=torch.float64)
    for place in range(8):
        for option in range(3):
            costs[place, option] = params[(*base[:place], option, *base[place + 1 :])] - params[base]
    costs /= costs.max(-1).values.sum()
    points = np.stack([100 - accuracy.numpy().ravel(), params.numpy().ravel()], axis=1)
    front = {tuple(points[at]) for at in non_dominated(points)}
    assert len(front) == 39
    sizes = []
    for weight in (0.0, 0.02, 0.1, 0.5, 1.0, 2.0):
        cell = descend(accuracy, costs, weight)[-1]
        sizes.append(int(params[cell]))
        if weight:
            assert (100 - float(accuracy[cell]), float(params[cell])) in front, weight
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) >= 4
