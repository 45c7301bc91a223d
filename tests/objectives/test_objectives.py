"""Every term against its closed form."""

import math

import pytest
import torch

from nascence.objectives import BetaDecay, DirichletAnchor, Evaluated, TaskLoss, total
from nascence.objectives.beta_decay import beta_decay
from nascence.objectives.dirichlet_anchor import kl_to_uniform
from nascence.relaxations import Dirichlet, Softmax
from nascence.relaxations.dirichlet import concentration
from nascence.schedules import Constant, Linear, Moment
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks import Batch, load_task

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def evaluated(relaxation, moment=Moment(0, 10), logits=None):
    logits = torch.zeros(2, 3) if logits is None else logits
    batch = Batch((torch.zeros(2),), torch.tensor([0, 2]))
    return Evaluated(load_task("digits"), None, relaxation, relaxation.mean(), batch, logits, moment)


def softmax(space=NB201, scale=1.0):
    return Softmax(space, space.operations, scale=scale)


def test_cross_entropy():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]], requires_grad=True)
    value = TaskLoss().term(evaluated(softmax(), logits=logits))
    expected = -(logits.log_softmax(1)[0, 0] + logits.log_softmax(1)[1, 2]) / 2
    torch.testing.assert_close(value, expected)


class TestBetaDecay:
    def test_its_gradient_is_the_softmax(self):
        logits = torch.randn(6, 5, generator=generator(0), dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(6 * beta_decay([logits]), logits)
        torch.testing.assert_close(gradient, logits.softmax(1), rtol=0, atol=1e-12)

    def test_it_takes_raw_logits_a_shift_adds_to_it(self):
        logits = torch.randn(6, 5, generator=generator(0), dtype=torch.float64)
        shifted = logits.clone()
        shifted[2] += 3.0
        assert float(beta_decay([shifted]) - beta_decay([logits])) == pytest.approx(3.0 / 6)
        torch.testing.assert_close(shifted.softmax(1), logits.softmax(1))
        assert float(beta_decay([torch.zeros(6, 5)])) == pytest.approx(math.log(5))

    def test_means_over_edges_are_summed_over_kinds(self):
        made = softmax(DARTS)
        value = BetaDecay(Constant(1.0)).term(evaluated(made))
        expected = sum(float(v.detach().exp().sum(1).log().mean()) for v in made.parameters.values())
        assert float(value.detach()) == pytest.approx(expected)

    def test_dropped_operations_are_not_seen(self):
        made = softmax()
        made.keep(2)
        term = BetaDecay(Constant(1.0)).term(evaluated(made))
        (gradient,) = torch.autograd.grad(term, made.parameters["cell"])
        assert (gradient[~made.kept["cell"]] == 0).all()
        torch.testing.assert_close(gradient.sum(), torch.tensor(1.0))

    @pytest.mark.parametrize(("epoch", "weight"), [(0, 0.0), (50, 25.0), (99, 49.5)])
    def test_the_schedule(self, epoch, weight):
        assert BetaDecay(Linear(0, 50)).schedule(Moment(epoch, 100)) == weight

    def test_alone_it_flattens_under_sgd_and_shifts_under_adam(self):
        """Adam divides by each coordinate's own scale: every logit falls alike, and gaps stay what they are."""
        start = torch.tensor([[1.0, 0.5, 0.0, -0.5, -1.0]])
        spreads = {}
        for name, make in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
            logits = start.clone().requires_grad_()
            optimizer = make([logits], lr=0.05)
            for _ in range(200):
                optimizer.zero_grad()
                beta_decay([logits]).backward()
                optimizer.step()
            spreads[name] = float(logits.detach().std() / start.std())
        assert spreads["sgd"] < 0.5
        assert spreads["adam"] == pytest.approx(1.0, abs=0.02)

    def test_under_adam_it_freezes_differences(self):
        """Five logits under biased noisy gradients: with the term their spread is over ten times smaller."""
        bias = torch.tensor([0.02, 0.01, 0.0, -0.01, -0.02])

        def spread(weight):
            logits = torch.zeros(1, 5, requires_grad=True)
            adam = torch.optim.Adam([logits], lr=3e-3, betas=(0.5, 0.999))
            noise = generator(0, "noise")
            for step in range(500):
                adam.zero_grad()
                loss = (logits * (bias + 0.02 * torch.randn(1, 5, generator=noise))).sum()
                (loss + weight * step / 500 * beta_decay([logits])).backward()
                adam.step()
            return float(logits.detach().std())

        assert spread(50.0) < spread(0.0) / 10


class TestDirichletAnchor:
    @pytest.mark.parametrize("beta", [[2.0, 0.5, 1.0, 1.5, 1.0], [0.1, 9.0, 3.0], [1.0, 1.0, 1.0, 1.0]])
    def test_the_closed_form(self, beta):
        beta = torch.tensor(beta, dtype=torch.float64)
        dirichlet = torch.distributions.Dirichlet
        expected = torch.distributions.kl_divergence(dirichlet(beta), dirichlet(torch.ones_like(beta)))
        torch.testing.assert_close(kl_to_uniform(beta), expected, rtol=1e-10, atol=1e-12)

    def test_the_published_example(self):
        assert float(kl_to_uniform(torch.tensor([2.0, 0.5, 1.0, 1.5, 1.0]))) == pytest.approx(0.8745, abs=1e-4)

    def test_each_edge_has_a_distribution_of_its_own(self):
        """Not one over all edges, as a port has it."""
        made = Dirichlet(NB201, NB201.operations, scale=1.0)
        value = DirichletAnchor(Constant(1.0)).term(evaluated(made))
        rows = concentration(made.parameters["cell"].detach())
        torch.testing.assert_close(value.detach(), sum(kl_to_uniform(row) for row in rows))
        assert abs(float(value.detach() - kl_to_uniform(rows.flatten()))) > 0.1

    def test_it_is_zero_at_the_start_and_pulls_back(self):
        made = Dirichlet(NB201, NB201.operations, scale=0.0)
        term = DirichletAnchor(Constant(1.0))
        assert float(term.term(evaluated(made)).detach()) == pytest.approx(0.0, abs=1e-5)
        with torch.no_grad():
            made.parameters["cell"][0] = torch.tensor([1.0, -1.0, 0.0, 0.0, 0.0])
        (gradient,) = torch.autograd.grad(term.term(evaluated(made)), made.parameters["cell"])
        assert float(gradient[0, 0]) > 0 > float(gradient[0, 1])
        torch.testing.assert_close(gradient[1:], torch.zeros(5, 5), atol=1e-6, rtol=0)

    def test_after_dropping_it_is_over_what_is_kept(self):
        made = Dirichlet(NB201, NB201.operations, scale=1.0)
        made.keep(3)
        rows = concentration(made.parameters["cell"].detach())[made.kept["cell"]].view(6, 3)
        value = DirichletAnchor(Constant(1.0)).term(evaluated(made))
        torch.testing.assert_close(value.detach(), kl_to_uniform(rows).sum())


def test_terms_add_up_with_their_weights_and_none_has_weights_of_the_network():
    made = softmax()
    terms = (TaskLoss(), BetaDecay(Linear(0, 10)))
    at = evaluated(made, Moment(5, 10), torch.zeros(2, 3, requires_grad=True))
    expected = TaskLoss().term(at) + 5 * terms[1].term(at)
    torch.testing.assert_close(total(terms, at), expected)
    (gradient,) = torch.autograd.grad(total((terms[1],), at), at.output, allow_unused=True)
    assert gradient is None


def test_a_weight_of_zero_computes_nothing():
    class Explosive(TaskLoss.__mro__[1]):
        name = "explosive"
        schedule = Linear(0, 1)

        def term(self, batch):
            raise AssertionError("computed")

    at = evaluated(softmax())
    assert float(total((Explosive(),), at)) == 0
    with pytest.raises(AssertionError, match="computed"):
        total((Explosive(),), evaluated(softmax(), Moment(1, 2)))
