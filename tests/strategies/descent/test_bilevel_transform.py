"""A gradient transform in the loop of bilevel descent."""

import pytest
import torch

from nascence.costs import Budget
from nascence.relaxations import Softmax
from nascence.schedules import Moment
from nascence.spaces import NetworkConfig
from nascence.strategies.descent.architecture_gradient import CalibratedStep, GradientTransform
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.supernets.cells import CellSupernet
from nascence.tasks import load_task
from nascence.testing import toy_space

SPACE = toy_space()
SIZE = NetworkConfig(channels=2)


class Fixed(GradientTransform):
    """Always the same step, and what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, gradients, logits, moment):
        self.asked.append(([g.clone() for g in gradients], moment))
        return [torch.full_like(value, 0.25) for value in logits]

    def state_dict(self):
        return {"calls": len(self.asked)}

    def load_state_dict(self, state):
        self.asked = [None] * state["calls"]


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(task, transform):
    return BilevelDescent(
        SPACE,
        task,
        Softmax(SPACE, SPACE.operations, seed=1),
        lambda partial, seed: CellSupernet(SPACE, SIZE, in_channels=1, seed=seed),
        stages=(Stage(epochs=3, warmup=1),),
        descent=Descent(batch_size=8, train_images=16, valid_images=16, check_images=0),
        transform=transform,
        budget=Budget().bind(SPACE, SIZE, input_shape=(1, 8, 8)),
        seed=0,
    )


def test_the_step_is_what_the_transform_returns(digits):
    transform = Fixed()
    descent = search(digits, transform)
    before = {name: value.detach().clone() for name, value in descent.relaxation.parameters.items()}
    descent.advance()
    assert transform.asked == [], "none in the warm-up"
    descent.advance()
    assert len(transform.asked) == 2
    for name, value in descent.relaxation.parameters.items():
        assert torch.allclose(value, before[name] - 0.5)
    gradients, moment = transform.asked[0]
    assert gradients[0].abs().sum() > 0
    assert isinstance(moment, Moment)
    assert moment.epoch == 1


def test_its_state_is_a_part_of_the_searchs(digits):
    whole, resumed = (search(digits, CalibratedStep(calibration_steps=3)) for _ in range(2))
    for _ in range(2):
        whole.advance()
    resumed.load_state_dict(whole.state_dict())
    assert resumed.architecture.transform.seen == whole.architecture.transform.seen
    assert len(whole.architecture.transform.seen) == 2
    assert resumed.advance() == whole.advance()
    assert len(resumed.architecture.transform.seen) == 3
    for one, two in zip(whole.relaxation.parameters.values(), resumed.relaxation.parameters.values(), strict=True):
        assert torch.equal(one, two)
