"""Mutually exclusive samples: how often what is drawn, that ranks differ, and the gradient of every rank."""

import pytest
import torch

from nascence.errors import SettingError
from nascence.relaxations import GumbelSoftmax, GumbelTopK
from nascence.relaxations.decisions import Decisions
from nascence.relaxations.gumbel_top_k import gumbel_top_k
from nascence.schedules import Constant, Linear, Moment
from nascence.seeding import generator
from nascence.spaces import get_space

P = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03], dtype=torch.float64)


def test_frequencies_are_those_of_sampling_without_replacement():
    """Inclusion and second-rank frequencies of p = (.5, .25, .15, .07, .03), K = 2, in closed form."""
    draws = gumbel_top_k(P.log().expand(100_000, 5), 2, generator(0))
    inclusion, second = draws.sum(0).mean(0), draws[1].mean(0)
    exact_second = torch.stack([sum(P[i] * P[o] / (1 - P[i]) for i in range(5) if i != o) for o in range(5)])
    torch.testing.assert_close(second, exact_second, atol=1e-2, rtol=0)
    torch.testing.assert_close(inclusion, P + exact_second, atol=1e-2, rtol=0)
    reference = torch.tensor([[0.808, 0.571, 0.366, 0.178, 0.077], [0.308, 0.321, 0.216, 0.108, 0.048]]).double()
    torch.testing.assert_close(torch.stack([P + exact_second, exact_second]), reference, atol=6e-4, rtol=0)


@pytest.mark.parametrize("permute", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_no_two_sub_graphs_share_an_operation(k, permute):
    logits = torch.randn(14, 5, generator=generator(1))
    weights = gumbel_top_k(logits, k, generator(2), 0.5, permute)
    assert weights.shape == (k, 14, 5)
    assert set(weights.unique().tolist()) <= {0.0, 1.0}
    assert bool((weights.sum(-1) == 1).all())
    assert int(weights.sum(0).max()) == 1
    if k == 5:  # every operation exactly once
        assert bool((weights.sum(0) == 1).all())


def test_permuting_makes_the_sub_graphs_alike():
    logits = P.log().expand(40_000, 5)
    plain, mixed = (gumbel_top_k(logits, 2, generator(3), 1.0, permute) for permute in (False, True))
    assert float((plain[0].mean(0) - plain[1].mean(0)).abs().max()) > 0.1
    torch.testing.assert_close(mixed[0].mean(0), mixed[1].mean(0), atol=1e-2, rtol=0)
    torch.testing.assert_close(plain.sum(0), mixed.sum(0))


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_one_sub_graph_is_a_gumbel_softmax_sample(temperature):
    """The same draw and the same gradient as GDAS's sample under one seed."""
    space = get_space("nas-bench-201")
    decisions = Decisions(space, space.operations)
    found = []
    for draw in (
        lambda logits: gumbel_top_k(logits, 1, generator(7), temperature)[0],
        lambda logits: decisions.straight_through({"cell": logits}, generator(7), temperature)["cell"],
    ):
        logits = torch.randn(6, 5, generator=generator(4), dtype=torch.float64).requires_grad_()
        weights = draw(logits)
        (weights * torch.arange(30.0).view(6, 5)).sum().backward()
        found.append((weights.detach(), logits.grad))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


def test_gradients_of_the_ranks():
    logits = torch.randn(6, 5, generator=generator(5), dtype=torch.float64).requires_grad_()
    weights = gumbel_top_k(logits, 3, generator(6), 2.0)
    for rank in range(3):
        pull = torch.randn(6, 5, generator=generator(8, rank), dtype=torch.float64)
        (gradient,) = torch.autograd.grad((weights[rank] * pull).sum(), logits, retain_graph=True)
        torch.testing.assert_close(gradient.sum(-1), torch.zeros(6, dtype=torch.float64))  # a softmax's
        for earlier in range(rank):  # the normaliser of log_softmax is a common shift, and cancels
            assert float(gradient[weights[earlier].detach() == 1].abs().max()) < 1e-15
        left = torch.stack([weights[earlier].detach() for earlier in range(rank)]).sum(0) if rank else 0 * pull
        assert bool((gradient[left == 0] != 0).all())


def test_raising_a_logit_lowers_the_others_at_every_rank():
    logits = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    weights = gumbel_top_k(logits, 2, generator(9), 5.0)
    (first, second) = (int(row.argmax()) for row in weights[:, 0])
    gradient = torch.autograd.grad(weights[1, 0, second], logits)[0][0]
    rest = [at for at in range(4) if at not in (first, second)]
    assert float(gradient[second]) > 0
    assert all(float(gradient[at]) < 0 for at in rest)


def test_what_is_excluded_is_never_drawn_and_moves_nothing():
    logits = torch.randn(6, 5, generator=generator(5)).index_fill(1, torch.tensor([0]), -torch.inf).requires_grad_()
    weights = gumbel_top_k(logits, 4, generator(1))
    assert float(weights[..., 0].abs().max().detach()) == 0
    (weights[2] * torch.arange(5.0)).sum().backward()
    assert bool(torch.isfinite(logits.grad).all())
    with pytest.raises(SettingError, match="From 4 operations an edge 1 to 4 sub-graphs can be drawn, not 5"):
        gumbel_top_k(logits, 5, generator(1))
    with pytest.raises(SettingError, match="not 0"):
        gumbel_top_k(logits, 0, generator(1))


def test_the_seed_decides_alone():
    logits = torch.randn(6, 5, generator=generator(5))
    state = torch.get_rng_state()
    one, two, other = (gumbel_top_k(logits, 2, generator(seed), permute=True) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


def test_one_sub_graph_a_step_is_gdas():
    """The same samples with the same gradient from the same logits and generator."""
    space = get_space("nas-bench-201")
    found = []
    for made in (
        GumbelTopK(space, space.operations, 1, Constant(3.0), seed=1, scale=1.0),
        GumbelSoftmax(space, space.operations, Constant(3.0), seed=1, scale=1.0),
    ):
        (weights,) = made.samples(generator(2))
        gradient = torch.autograd.grad((weights["cell"] * torch.arange(30.0).view(6, 5)).sum(), made.parameters["cell"])
        found.append((weights["cell"].detach(), gradient[0]))
        torch.testing.assert_close(made.sample(generator(2))["cell"].detach(), weights["cell"].detach())
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)


def test_sub_graphs_of_a_step():
    space = get_space("darts")
    made = GumbelTopK(space, space.operations[1:], 3, Linear(10.0, 0.1, reach=True), seed=1)
    made.begin(Moment(4, 5))
    assert made.observed() == {"temperature": pytest.approx(0.1)}
    samples = made.samples(generator(0))
    assert len(samples) == 3
    for kind in space.kinds:
        together = torch.stack([sample[kind].detach() for sample in samples])
        assert bool((together.sum(-1) == 1).all())
        assert int(together.sum(0).max()) == 1
        assert float(together[..., 0].max()) == 0
    with pytest.raises(SettingError, match="From the 7 operations that take part on darts"):
        GumbelTopK(space, space.operations[1:], 8)


def test_the_variance_of_the_mean_gradient_falls_with_the_number_of_sub_graphs():
    """At fixed weights, 600 draws at temperature 5: 1 / K or better, since draws are without replacement."""
    logits = 0.1 * torch.randn(6, 5, generator=generator(5), dtype=torch.float64)
    pull = torch.randn(6, 5, generator=generator(6), dtype=torch.float64)
    variances = []
    for k in (1, 2, 3):
        draws = []
        for draw in range(600):
            leaf = logits.clone().requires_grad_()
            weights = gumbel_top_k(leaf, k, generator(7, draw), 5.0)
            draws.append(torch.autograd.grad((weights * weights.detach() * pull).sum() / k, leaf)[0])
        variances.append(float(torch.stack(draws).var(0).mean()))
    assert variances[1] < 0.6 * variances[0]
    assert variances[2] < 0.43 * variances[0]
