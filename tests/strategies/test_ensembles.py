import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods.ness import NESS
from nascence.objectives import NegativeEntropy, TaskLoss
from nascence.relaxations import Softmax, VariationalPosterior
from nascence.schedules import Constant
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.strategies.ensembles import SVGDRD, EnsembleSearch, MonteCarlo
from nascence.tasks import load_task
from nascence.testing import toy_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(task, space=None, *, sampler=MonteCarlo(), size=3, draws=4, relaxation=None, **settings):
    space = space or toy_space()
    network = space.networks["search"]
    posterior = relaxation or VariationalPosterior(space)
    defaults = {"batch_size": 16, "train_images": 64, "valid_images": 64, "check_images": 0}
    descent = BilevelDescent(
        space,
        task,
        posterior,
        lambda partial, seed: space.supernet(network, task.signature, seed=seed),
        stages=(Stage(epochs=1, warmup=1), Stage(epochs=1, level="architecture")),
        descent=Descent(**{**defaults, **settings}),
        objectives=(TaskLoss(Constant(10.0)), NegativeEntropy()),
        budget=Budget().bind(space, network, signature=task.signature),
        seed=0,
    )
    of = posterior.posteriors if isinstance(posterior, VariationalPosterior) else lambda: [posterior.logits()]
    return EnsembleSearch(descent, of, sampler, size=size, draws=draws, seed=0)


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


@pytest.mark.parametrize("sampler", [MonteCarlo(), SVGDRD(steps=20)])
def test_the_best_of_several_ensembles_of_distinct_members(digits, sampler):
    strategy = search(digits, sampler=sampler)
    events = finish(strategy)
    drawn = [event for event in events if event["part"] == "ensembles"]
    assert [event["draw"] for event in drawn] == [1, 2, 3, 4]
    assert all(len(set(event["ensemble"])) == 3 for event in drawn)
    best = min(drawn, key=lambda event: event["ensemble_loss"])
    assert [strategy.descent.space.format(member) for member in strategy.ensemble()] == best["ensemble"]
    assert strategy.derive() in strategy.ensemble()


def test_weights_rest_while_the_posterior_is_learned(digits):
    strategy = search(digits)
    descent = strategy.descent
    descent.advance()
    before = [weight.detach().clone() for weight in descent.supernet.parameters()]
    event = descent.advance()
    assert event["stage"] == 2
    assert all(torch.equal(one, two) for one, two in zip(before, descent.supernet.parameters(), strict=True))
    assert (descent.relaxation.parameters["cell"] != 0).any()
    assert 0 < event["posterior_entropy"] < 1


def test_the_loss_is_that_of_the_mean_of_probabilities(digits):
    strategy = search(digits)
    finish(strategy)
    members = strategy.ensemble()
    descent, total = strategy.descent, 0.0
    for batch in descent.valid.passing(256):
        probabilities = []
        for member in members:
            weights = descent.space.one_hot(member)
            descent.supernet.train()
            with torch.no_grad():
                probabilities.append(descent.supernet(*batch.inputs, weights=weights, sparse=True).softmax(-1))
        mean = torch.stack(probabilities).mean(0)
        total -= float(mean[torch.arange(len(mean)), batch.target].log().sum())
    assert strategy._loss(members) == pytest.approx(total / 64, rel=1e-5)


def test_it_resumes_exactly(digits):
    whole = search(digits)
    states = []
    while not whole.done:
        states.append(whole.state_dict())
        whole.advance()
    for state in (states[1], states[-1]):
        resumed = search(digits)
        resumed.load_state_dict(state)
        finish(resumed)
        assert resumed.ensembles == whole.ensembles
        assert resumed.ensemble() == whole.ensemble()


def test_it_works_on_any_relaxation_and_any_task():
    space = toy_graph_space()
    strategy = search(toy_graph_task(), space, relaxation=Softmax(space, scale=1.0), batch_size=8)
    finish(strategy)
    assert len({str(member) for member in strategy.ensemble()}) == 3


def test_a_posterior_that_is_sure_still_gives_distinct_members(digits):
    strategy = search(digits)
    finish(strategy)
    alpha = strategy.descent.relaxation.parameters["cell"]
    with torch.no_grad():
        alpha.zero_()[:, 3] = 50.0
    members = strategy._members(9)
    assert len(set(members)) == 3
    assert any(set(member.answers) == {"nor_conv_3x3"} for member in members)


def test_an_ensemble_larger_than_the_space(digits):
    with pytest.raises(SettingError, match="An ensemble of 65 different networks needs more than the 64"):
        search(digits, size=65)


def test_the_recipe():
    made = NESS(epochs=3, posterior_epochs=2, likelihoods=(1.0, 50.0))
    assert [(stage.epochs, stage.warmup, stage.level) for stage in made.make_stages()] == [
        (3, 3, "bilevel"),
        (2, 0, "architecture"),
        (2, 0, "architecture"),
    ]
    with pytest.raises(SettingError, match="likelihoods must be above 0"):
        NESS(likelihoods=(0.0,))
    with pytest.raises(SettingError, match="leave stages"):
        NESS(stages=("2:5:1",))
    assert math.isclose(NESS().architecture.learning_rate, 1e-2)
