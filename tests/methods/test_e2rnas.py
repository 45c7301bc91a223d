"""e2rnas: what it is made of, the limit in which it is darts, and that the bound does what it says."""

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.methods.e2rnas import E2RNAS
from nascence.spaces import NetworkConfig
from nascence.strategies.descent.combination import Sum
from nascence.strategies.descent.mgda import MGDA
from nascence.tasks import load_task
from nascence.testing import toy_space

SMALL = {
    "epochs": 2,
    "batch_size": 8,
    "channels": 4,
    "train_images": 32,
    "valid_images": 32,
    "check_images": 0,
    "architecture_learning_rate": 0.05,
}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(digits, method, **settings):
    space = toy_space()
    checker = Budget().bind(space, NetworkConfig(channels=4, depth=2), input_shape=(1, 8, 8), threads=1)
    made = METHODS.get(method)(**{**SMALL, **settings})
    return made.strategy(Problem(space, digits, NetworkConfig(channels=4, depth=2), checker, 0))


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


@pytest.mark.parametrize("order", [1, 2])
def test_without_attack_and_size_it_is_darts(digits, order):
    """With the plain sum to the bit; with mgda of one objective, the same up to the gradient's length."""
    ours = search(digits, "e2rnas", order=order, attack="none", size_weight=0, combine="sum")
    darts = search(digits, "darts", order=order)
    assert finish(ours) == finish(darts)
    assert all(torch.equal(a, darts.relaxation.parameters[n]) for n, a in ours.relaxation.parameters.items())


def test_the_paper_is_second_order_under_attack_with_mgda():
    paper = E2RNAS()
    assert (paper.architecture.order, paper.attack, paper.eps, paper.epochs, paper.data.batch_size) == (
        2,
        "single",
        2 / 255,
        50,
        64,
    )
    assert paper.least_params * 131_157 == pytest.approx(7.2e4, rel=0.01)
    assert isinstance(paper.combination(), MGDA)
    assert isinstance(E2RNAS(combine="sum").combination(), Sum)
    assert [each.name for each in paper.objectives()] == ["task_loss", "expected_params"]
    assert [each.name for each in E2RNAS(size_weight=0).objectives()] == ["task_loss"]


def test_the_bound_orders_the_expected_parameters(digits):
    more = {"order": 1, "attack": "none", "epochs": 8, "architecture_learning_rate": 0.15}
    last = [
        finish(search(digits, "e2rnas", least_params=least, **more))[-1]["expected_params"] for least in (0, 0.4, 0.9)
    ]
    assert last[0] < last[1] < last[2]


def test_size_makes_networks_smaller_than_darts(digits):
    more = {"epochs": 8, "architecture_learning_rate": 0.15}
    small = search(digits, "e2rnas", order=1, attack="none", least_params=0, **more)
    plain = search(digits, "e2rnas", order=1, attack="none", size_weight=0, **more)
    finish(small)
    finish(plain)
    costs = torch.tensor([0.0, 0.0, 16.0, 144.0])
    one, two = (float((s.relaxation.mean()["cell"] * costs).sum()) for s in (small, plain))
    assert one < two


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eps": 8}, r"is 8/255 meant\? Type: --set eps=8/255"),
        ({"eps": 0}, "such as 8/255"),
        ({"attack_steps": 0}, "attack_steps"),
        ({"least_params": -1}, "least_params"),
        ({"size_weight": 0.5}, "combine=sum"),
    ],
)
def test_what_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        E2RNAS(**settings)
    E2RNAS(size_weight=0.5, combine="sum")
