import math

import pytest
import torch

from nascence.relaxations import VariationalPosterior
from nascence.relaxations.posterior import entropy, entropy_share
from nascence.schedules import Moment
from nascence.seeding import generator
from nascence.testing import toy_space
from nascence.testing.toy_graph import toy_graph_space


def ascend(log_likelihood, rows=3, options=4, steps=1500, rate=0.05):
    """alpha that maximises E[log-likelihood] + H, the expectation exact: sum over rows and options of p r."""
    alpha = torch.zeros(rows, options, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([alpha], rate)
    for _ in range(steps):
        adam.zero_grad()
        loss = -(alpha.softmax(-1) * log_likelihood).sum() - entropy({"a": alpha})
        loss.backward()
        adam.step()
    return alpha.detach()


def test_a_constant_likelihood_leaves_the_uniform_posterior():
    found = ascend(torch.full((3, 4), 2.5, dtype=torch.float64))
    assert float(entropy({"a": found})) == pytest.approx(3 * math.log(4), abs=1e-6)


def test_an_additive_likelihood_has_its_softmax_as_posterior():
    r = torch.randn(3, 4, generator=generator(0), dtype=torch.float64)
    for s in (0.5, 2.0):
        torch.testing.assert_close(ascend(s * r).softmax(-1), (s * r).softmax(-1), atol=1e-3, rtol=0)


def contracted(values, p_RO):
    """The mean of a table's values under independent rows."""
    for row in p_RO:
        values = torch.tensordot(row, values, dims=([0], [0]))
    return values


@pytest.mark.data
def test_the_posterior_of_a_table_gets_better_with_more_data(table_tensors):
    """Check 4 of the dossier, without training: log-likelihoods of s times the accuracy on validation images. The draws
    are better on the test images than uniform ones, and the better the larger s; the most probable is near the best."""
    columns = ("cifar10_valid_acc_12ep", "cifar10_test_acc_200ep")
    _, valid, test = table_tensors("nas-bench-201", *columns)
    means = [float(test.mean())]
    for s in (0.03, 0.1, 1.0):
        alpha = torch.zeros(6, 5, dtype=torch.float64, requires_grad=True)
        adam = torch.optim.Adam([alpha], 0.1)
        for _ in range(100):
            adam.zero_grad()
            (-s * contracted(valid, alpha.softmax(-1)) - entropy({"a": alpha})).backward()
            adam.step()
        means.append(float(contracted(test, alpha.detach().softmax(-1))))
    assert means == sorted(means)
    assert means[1] > means[0] + 1
    likeliest = float(test[tuple(alpha.argmax(-1).tolist())])
    assert likeliest >= float(test.max()) - 0.3


def test_entropy_of_rows_with_impossible_options():
    logits = {"a": torch.tensor([[0.0, 0.0, -torch.inf], [5.0, -torch.inf, -torch.inf]])}
    assert float(entropy(logits)) == pytest.approx(math.log(2))
    assert entropy_share(logits) == pytest.approx(1.0), "a row without a choice does not count"
    leaf = torch.zeros(1, 3, requires_grad=True)
    entropy({"a": leaf.masked_fill(torch.tensor([[False, False, True]]), -torch.inf)}).backward()
    assert leaf.grad.isfinite().all()


def test_paths_are_uniform_while_the_architecture_is_frozen_and_alpha_counts_afterwards():
    made = VariationalPosterior(toy_space())
    with torch.no_grad():
        made.parameters["cell"][:, 2] = 30.0
    draws = generator(0)
    made.begin(Moment(0, 4, frozen=True))
    frozen = torch.stack([made.sample(draws)["cell"].detach() for _ in range(400)]).mean(0)
    torch.testing.assert_close(frozen, torch.full((3, 4), 0.25), atol=0.1, rtol=0)
    made.begin(Moment(1, 4))
    sample = made.sample(draws)["cell"]
    assert (sample.detach().argmax(-1) == 2).all()
    assert sample.requires_grad


def test_every_stage_after_the_first_begins_anew_and_is_kept():
    made = VariationalPosterior(toy_space())
    made.begin(Moment(0, 4, stage=0, frozen=True))
    made.begin(Moment(1, 4, stage=1))
    first = made.parameters["cell"]
    with torch.no_grad():
        first += 1.5
    made.begin(Moment(2, 4, stage=2))
    assert made.parameters["cell"] is not first, "an optimizer begins anew too"
    assert (made.parameters["cell"] == 0).all()
    one, two = made.posteriors()
    assert (one["cell"] == 1.5).all()
    assert (two["cell"] == 0).all()
    again = VariationalPosterior(toy_space())
    again.load_state_dict(made.state_dict())
    assert [each["cell"].tolist() for each in again.posteriors()] == [each["cell"].tolist() for each in (one, two)]


def test_it_works_on_other_spaces_and_excludes_options():
    space = toy_graph_space()
    made = VariationalPosterior(space, {"aggregator": ("own", "mean"), "fusion": ("last", "both")})
    for seed in range(20):
        weights = made.sample(generator(seed))
        assert (weights["aggregator"][:, 2:] == 0).all()
        assert (weights["fusion"].sum(-1) == 1).all()
