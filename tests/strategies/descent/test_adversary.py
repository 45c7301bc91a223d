import pytest
import torch

from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.spaces import NetworkConfig
from nascence.strategies.descent.adversary import Adversary
from nascence.strategies.descent.game import Turn
from nascence.tasks import load_task
from nascence.testing import toy_space

EPS = 16 / 255


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(digits, method="e2rnas", **settings):
    space = toy_space()
    checker = Budget().bind(space, NetworkConfig(channels=4, depth=2), input_shape=(1, 8, 8), threads=1)
    small = {"epochs": 2, "batch_size": 16, "train_images": 32, "valid_images": 32, "check_images": 0, "order": 1}
    made = METHODS.get(method)(**{**small, **settings})
    return made.strategy(Problem(space, digits, NetworkConfig(channels=4, depth=2), checker, 0))


def turn_of(strategy):
    chunk = strategy._plan[0]
    return Turn(chunk.epoch, 0, chunk.steps)


@pytest.mark.parametrize("attack", [FGSM(step=1.25, start="late"), PGD(steps=3)])
def test_the_images_are_worse_and_near(digits, attack):
    strategy = search(digits)
    game, turn = strategy.game, turn_of(strategy)
    batch = game.batch("weights", 0)
    before = {name: value.clone() for name, value in game.supernet.state_dict().items()}
    changed = Adversary(attack, EPS).transform(batch, game, turn)
    assert torch.equal(changed.target, batch.target)
    box = digits.box()
    moved = box.pixels(changed.inputs[0]) - box.pixels(batch.inputs[0])
    assert 0 < float(moved.abs().max()) <= EPS + 1e-5
    with torch.no_grad():
        weights = game.relaxation.sample(game.draw(turn, "weights"))
        one, two = (digits.loss(game.evaluate(x, weights, turn.moment).output, x) for x in (batch, changed))
    assert float(two) > float(one)
    assert all(torch.equal(value, before[name]) for name, value in game.supernet.state_dict().items())
    again = Adversary(attack, EPS).transform(batch, game, turn)
    assert torch.equal(again.inputs[0], changed.inputs[0]), "what is drawn follows from the turn"


def test_running_statistics_are_left_alone(digits):
    strategy = search(digits)
    norm = torch.nn.BatchNorm2d(1)
    strategy.supernet.register_module("extra", norm)
    norm(torch.randn(4, 1, 2, 2))
    before = norm.running_mean.clone()
    seen = []
    strategy.supernet.register_forward_pre_hook(lambda module, inputs: seen.append(norm(inputs[0])))
    Adversary(FGSM(), EPS).transform(strategy.game.batch("weights", 0), strategy.game, turn_of(strategy))
    assert seen
    assert torch.equal(norm.running_mean, before)


def test_weights_learn_from_what_the_adversary_made_and_the_architecture_from_plain_images(digits):
    plain, hard = search(digits, attack="none"), search(digits, eps=0.3)
    one, two = plain.advance(), hard.advance()
    assert two["train_loss"] > one["train_loss"] + 0.05
    first = search(digits, attack="none"), search(digits, eps=0.3)
    events = [(strategy._step(turn_of(strategy)), strategy.game.measures("validation"))[1] for strategy in first]
    assert events[0] == events[1], "before any weight has moved, the architecture sees the same"


def test_what_has_no_pixels_is_refused_before_the_search(digits, monkeypatch):
    def no_box(self):
        raise SettingError("no pixels")

    monkeypatch.setattr(type(digits), "box", no_box)
    with pytest.raises(SettingError, match="no pixels"):
        search(digits)
    search(digits, attack="none")
