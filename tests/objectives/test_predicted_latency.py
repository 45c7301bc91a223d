"""The latency term: what it prices, and its gradient against finite differences and enumeration."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from nascence.costs import Budget
from nascence.costs.latency_regressor import LatencyRegressor, code
from nascence.objectives import Evaluated, PredictedLatency
from nascence.objectives.predicted_latency import straight_through
from nascence.relaxations import GumbelSoftmax, Softmax
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.testing import toy_space

NB201, DARTS, TOY = get_space("nas-bench-201"), get_space("darts"), toy_space()
SIZES = {space.name: NetworkConfig(channels=2, depth=2) for space in (NB201, DARTS, TOY)}


class Given:
    """A latency that is some function of the code, in milliseconds; random architectures take 2."""

    mean_ms = 2.0

    def __init__(self, space, function):
        self.space, self.function = space, function

    def expected(self, weights):
        return self.function(code(self.space, weights))

    def __str__(self):
        return "given"

    def predict(self, architecture):
        return float(self.expected(self.space.one_hot(architecture)))

    def report(self):
        return {"from": "nowhere"}


def summed(space, seed=0):
    parts = torch.rand(len(code(space, space.one_hot(space.sample(generator(0))))), generator=generator(seed))
    return Given(space, lambda z: 1 + z @ parts.to(z))


def curved(space):
    """Products of neighbouring entries, which no sum can say."""
    return Given(space, lambda z: 1 + (z[1:] * z[:-1]).sum() + z.sum())


def term_of(predictor, relaxation, weights=None, **more):
    space = predictor.space
    budget = Budget().bind(space, SIZES[space.name], threads=1)
    objective = PredictedLatency(predictor, Constant(1.0), budget, **more)
    weights = relaxation.sample(generator(0)) if weights is None else weights
    batch = Evaluated(None, None, relaxation, weights, None, None, Moment(3, 10), 5)
    return objective.term(batch)


def price(*arguments, **more):
    return float(term_of(*arguments, **more).detach())


def softmax(space, scale=1.0, seed=0):
    return Softmax(space, space.operations, scale=scale, seed=seed)


@pytest.mark.parametrize("codes", ["sampled", "soft"])
@pytest.mark.parametrize("space", [NB201, DARTS, TOY], ids=lambda space: space.name)
def test_sure_weights_have_the_latency_of_what_is_derived(space, codes):
    relaxation, found = softmax(space), space.sample(generator(3))
    with torch.no_grad():
        for kind, value in space.one_hot(found).items():
            relaxation.parameters[kind].copy_(30 * value)
    assert relaxation.derive(Budget().bind(space, SIZES[space.name])) == found
    predictor = curved(space)
    assert price(predictor, relaxation, codes=codes) == pytest.approx(predictor.predict(found) / 2, rel=1e-4)


def test_only_edges_that_derivation_keeps_are_priced():
    """Of DARTS, 2 of 14 edges into 4 nodes of each of two kinds of cell, whatever the weights of the others."""
    count = Given(DARTS, lambda z: z.sum())
    relaxation = softmax(DARTS)
    assert price(count, relaxation, codes="soft") == pytest.approx(16 / 2)
    assert price(count, relaxation, codes="sampled") == pytest.approx(16 / 2)


def test_latency_does_not_fall_by_raising_what_derivation_drops():
    relaxation = softmax(DARTS)
    leaves = list(relaxation.parameters.values())
    for gradient in torch.autograd.grad(term_of(summed(DARTS), relaxation, codes="soft"), leaves):
        assert gradient[:, DARTS.operations.index("none")].abs().max() < 1e-6
        assert gradient.abs().max() > 1e-3


@pytest.mark.parametrize("space", [NB201, DARTS, TOY], ids=lambda space: space.name)
def test_the_gradient_of_soft_codes_against_finite_differences(space):
    relaxation = softmax(space)
    for leaf in relaxation.parameters.values():
        leaf.data = leaf.data.double()
    predictor = curved(space)
    leaves = list(relaxation.parameters.values())
    gradients = torch.autograd.grad(term_of(predictor, relaxation, codes="soft"), leaves)
    step = 1e-6
    for leaf, gradient in zip(leaves, gradients, strict=True):
        for at in [(0, 0), (1, 2), (2, 3)]:
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    leaf[at] += sign * step
                values.append(price(predictor, relaxation, codes="soft"))
                with torch.no_grad():
                    leaf[at] -= sign * step
            assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(gradient[at]), rel=1e-4, abs=1e-7)


def test_sampled_codes_are_single_architectures_and_their_mean_is_exact():
    predictor = curved(TOY)
    seen = []
    inner = predictor.function
    predictor.function = lambda z: (seen.append(z.detach()), inner(z))[1]
    relaxation = softmax(TOY)
    found = price(predictor, relaxation, codes="sampled", draws=3000)
    assert len(seen) == 3000
    assert set(torch.stack(seen).unique().tolist()) == {0.0, 1.0}
    (shares,) = relaxation.mean().values()
    mean = 0.0
    for answers in itertools.product(range(len(TOY.operations)), repeat=len(shares)):
        chance = float(torch.stack([shares[edge, at] for edge, at in enumerate(answers)]).prod())
        weights = torch.zeros_like(shares)
        weights[range(len(shares)), list(answers)] = 1
        mean += chance * float(inner(code(TOY, {"cell": weights}))) / 2
    assert found == pytest.approx(mean, rel=0.02)


def test_the_sampled_gradient_of_a_sum_is_the_exact_one():
    relaxation = softmax(NB201)
    leaf = relaxation.parameters["cell"]
    exact = torch.autograd.grad(term_of(summed(NB201), relaxation, codes="soft"), leaf)[0]
    sampled = torch.autograd.grad(term_of(summed(NB201), relaxation, codes="sampled", draws=1), leaf)[0]
    torch.testing.assert_close(sampled, exact)


def test_the_same_step_draws_the_same_and_another_one_others():
    relaxation, predictor = softmax(NB201), curved(NB201)
    budget = Budget().bind(NB201, SIZES[NB201.name])
    objective = PredictedLatency(predictor, Constant(1.0), budget, draws=1)

    def at(epoch, step):
        weights = relaxation.sample(generator(0))
        batch = Evaluated(None, None, relaxation, weights, None, None, Moment(epoch, 10), step)
        return float(objective.term(batch).detach())

    assert at(3, 5) == at(3, 5)
    assert len({at(epoch, step) for epoch in range(3) for step in range(4)}) > 3


def test_drawn_operations_have_the_given_shares_and_pass_their_gradient_on():
    shares = torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    random = generator(0)
    drawn = torch.stack([straight_through(shares, random).detach() for _ in range(4000)])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), shares.detach(), rtol=0, atol=0.03)
    cost = torch.rand(3, 3, generator=generator(1))
    (gradient,) = torch.autograd.grad((straight_through(shares, random) * cost).sum(), shares)
    assert torch.equal(gradient, cost)


def test_a_sampled_relaxation_is_priced_at_its_sample():
    relaxation = GumbelSoftmax(NB201, NB201.operations, Constant(1.0), scale=1.0)
    relaxation.begin(Moment(0, 1))
    weights = relaxation.sample(generator(4))
    drawn = {kind: value.detach().round() for kind, value in weights.items()}
    expected = float(curved(NB201).expected(drawn)) / 2
    for codes in ("sampled", "soft"):
        assert price(curved(NB201), relaxation, weights, codes=codes) == pytest.approx(expected, rel=1e-4)


def test_a_target_leaves_alone_what_is_quick_enough():
    relaxation = softmax(NB201)
    (leaf,) = relaxation.parameters.values()
    derived = summed(NB201).predict(relaxation.derive(Budget().bind(NB201, SIZES[NB201.name])))
    plain = term_of(summed(NB201), relaxation, codes="soft")
    above = term_of(summed(NB201), relaxation, codes="soft", target_ms=derived - 0.01)
    torch.testing.assert_close(above, plain * 2 / (derived - 0.01))
    assert torch.autograd.grad(above, leaf)[0].any()
    for quick in (derived, 2 * derived):
        assert price(summed(NB201), relaxation, codes="soft", target_ms=quick) == 0


@pytest.mark.parametrize("codes", ["sampled", "soft"])
def test_where_nothing_possible_was_sampled_the_gradient_stays_small(codes):
    """On darts a Gumbel-softmax may draw ``none``, which is in the supernet alone, on an edge that is kept."""
    relaxation = GumbelSoftmax(DARTS, DARTS.operations, Constant(1.0), scale=1.0)
    relaxation.begin(Moment(0, 1))
    leaves, none = list(relaxation.parameters.values()), DARTS.operations.index("none")
    with torch.no_grad():
        for leaf in leaves:
            leaf[:, none] += 2.0
    for at in range(5):
        weights = relaxation.sample(generator(at))
        assert all((value[:, none] > 0.5).any() for value in weights.values())
        for gradient in torch.autograd.grad(term_of(summed(DARTS), relaxation, weights, codes=codes), leaves):
            assert gradient.isfinite().all()
            assert gradient.abs().max() < 10


def test_what_it_says_of_an_architecture():
    architecture = NB201.sample(generator(0))
    objective = PredictedLatency(summed(NB201), Constant(0.3), SimpleNamespace(), draws=2)
    predicted = summed(NB201).predict(architecture)
    assert objective.observed(architecture) == {"predicted_latency_ms": predicted}
    assert objective.findings(architecture) == {"predicted_latency": {"ms": predicted, "from": "nowhere"}}
    assert all(word in str(objective) for word in ("0.3", "sampled", "draws=2", "given"))


def test_a_fitted_regressor_fits_in():
    architectures = [NB201.sample(generator(0, at)) for at in range(40)]
    regressor = LatencyRegressor.fit(NB201, architectures, 1 + torch.rand(40, generator=generator(2)))
    value = term_of(regressor, softmax(NB201))
    value.backward()
    assert 0 < float(value.detach()) < 2
