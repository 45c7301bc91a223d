"""The sandwich rule: three widths a step while weights are warmed up, the relaxation itself after that."""

import torch

from nascence.relaxations import Softmax
from nascence.relaxations.sandwich import Sandwich
from nascence.schedules import Moment
from nascence.seeding import generator
from nascence.testing import toy_denoiser_space

SPACE = toy_denoiser_space()


def made(frozen):
    relaxation = Sandwich(Softmax(SPACE, seed=1))
    relaxation.begin(Moment(0, 4, frozen=frozen))
    return relaxation


def test_warm_up_runs_the_widest_the_narrowest_and_a_random_width():
    relaxation = made(True)
    samples = relaxation.samples(generator(0, "step"))
    assert len(samples) == 3
    assert [sample["widths"].tolist() for sample in samples[:2]] == [[[0.0, 1.0]], [[1.0, 0.0]]]
    drawn = {tuple(relaxation.samples(generator(at, "step"))[2]["widths"].flatten().tolist()) for at in range(12)}
    assert drawn == {(0.0, 1.0), (1.0, 0.0)}
    for sample in samples:
        for name in ("layers", "inputs", "exits"):
            assert torch.equal(sample[name], relaxation.inner.mean()[name])


def test_afterwards_it_is_the_relaxation_itself():
    relaxation = made(False)
    (sample,) = relaxation.samples(generator(0, "step"))
    assert all(torch.equal(value, relaxation.inner.mean()[name]) for name, value in sample.items())
    assert relaxation.parameters is not None
    assert set(relaxation.parameters) == {"layers", "inputs", "widths", "exits"}
    assert {name: value.tolist() for name, value in relaxation.scores().items()} == {
        name: value.tolist() for name, value in relaxation.inner.scores().items()
    }
    assert relaxation.logits().keys() == relaxation.mean().keys()


def test_a_state_comes_back():
    one, other = made(True), Sandwich(Softmax(SPACE, seed=2))
    other.load_state_dict(one.state_dict())
    assert all(torch.equal(value, other.parameters[name]) for name, value in one.parameters.items())
    one.keep(1)
    assert all((value > 0).sum(-1).eq(1).all() for value in one.mean().values())
