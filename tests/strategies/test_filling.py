"""What a budget leaves goes to the answers that lose least by it."""

import torch

from nascence.costs import Budget
from nascence.methods.base import Problem
from nascence.methods.darts import DARTS
from nascence.methods.dmasking import DMasking
from nascence.methods.random_search import RandomSearch
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.strategies.filling import FilledStrategy, filled
from nascence.tasks import load_task
from nascence.tasks.base import Signature
from nascence.testing import ToyDenoising, toy_denoiser_space

SPACE = get_space("channel-bench-macro-mobilenet")
SIZE = SPACE.networks["score"]
IMAGES = Signature.images((3, 8, 8), 10)


def checker(share):
    whole = SPACE.architecture(["1.0"] * 7)
    flops = Budget().bind(SPACE, SIZE, signature=IMAGES).model.flops(whole)
    return Budget(max_flops=share * flops).bind(SPACE, SIZE, signature=IMAGES)


def test_nothing_more_fits_and_nothing_was_taken_away():
    budget = checker(0.5)
    start = SPACE.architecture(["0.25"] * 7)
    found = filled(budget, start, {})
    assert budget.allows(found)
    for before, after in zip(start.answers, found.answers, strict=True):
        assert float(after) >= float(before)
    for place, choice in enumerate(SPACE.choices):
        at = choice.options.index(found.answers[place])
        if at + 1 < len(choice.options):
            wider = SPACE.architecture([*found.answers[:place], choice.options[at + 1], *found.answers[place + 1 :]])
            assert not budget.allows(wider), choice.name


def test_the_score_decides_who_gets_it():
    budget, start = checker(0.3), SPACE.architecture(["0.25"] * 7)
    wished = {"block1/hidden": torch.tensor([0.0, 5.0, 10.0, 15.0])}
    assert filled(budget, start, wished).answers[1] == "1.0"


def test_without_a_budget_nothing_changes():
    start = SPACE.sample(generator(0, "some"))
    assert filled(Budget().bind(SPACE, SIZE, signature=IMAGES), start, {}) == start


def test_a_strategy_is_filled_in_the_end():
    task = load_task("digits")
    limit = Budget(max_params=20_000).bind(SPACE, SIZE, signature=task.signature)
    problem = Problem(SPACE, task, SIZE, limit, 0)
    inner = RandomSearch().strategy(problem)
    strategy = FilledStrategy(inner, limit, dict)
    while not strategy.done:
        strategy.advance()
    assert limit.allows(strategy.derive())
    assert limit.model.params(strategy.derive()) >= limit.model.params(inner.derive())
    again = FilledStrategy(RandomSearch().strategy(problem), limit, dict)
    again.load_state_dict(strategy.state_dict())
    assert again.done
    assert again.derive() == strategy.derive()
    assert strategy.findings() == inner.findings()
    assert DMasking(fill=True).price.fill


def test_every_gradient_method_can_be_filled():
    space, task = toy_denoiser_space(), ToyDenoising.make()
    size = space.networks["evaluation"]
    dearest = Budget().bind(space, size, signature=task.signature).model.extreme("flops", largest=True)
    model = Budget().bind(space, size, signature=task.signature).model
    limit = Budget(max_flops=0.9 * model.flops(dearest)).bind(space, size, signature=task.signature)
    settings = {"epochs": 1, "batch_size": 4, "epoch_images": 4, "check_images": 0, "size": "search-small"}
    searches = [DARTS(**settings, fill=fill).strategy(Problem(space, task, size, limit, 0)) for fill in (False, True)]
    for search in searches:
        while not search.done:
            search.advance()
    plain, full = (search.derive() for search in searches)
    assert full == space.canonical(filled(limit, plain, space.choice_scores(searches[1].inner.relaxation.scores())))
    assert searches[1].averages == searches[0].averages
    assert model.flops(plain) <= model.flops(full) <= limit.budget.max_flops
