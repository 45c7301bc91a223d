"""What a relaxation around another one passes on."""

import torch

from nascence.relaxations.around import Around
from nascence.relaxations.softmax import Softmax
from nascence.schedules import Moment
from nascence.testing import toy_space


class Halved(Around):
    def __init__(self, inner):
        self.space, self.inner = inner.space, inner

    def changed(self, weights):
        return {name: value / 2 for name, value in weights.items()}


def test_it_is_the_inner_one_but_for_what_it_changes():
    inner = Softmax(toy_space(), seed=1, scale=1.0)
    around = Halved(inner)
    around.begin(Moment(0, 2))
    draws = (torch.Generator().manual_seed(0) for _ in range(2))
    (mine,), (its,) = around.samples(next(draws)), inner.samples(next(draws))
    for name, value in its.items():
        assert torch.equal(2 * mine[name], value)
        assert mine[name].requires_grad
        assert torch.equal(2 * around.mean()[name], inner.mean()[name])
        assert not around.mean()[name].requires_grad
        assert torch.equal(around.scores()[name], inner.scores()[name])
    assert around.parameters.keys() == inner.parameters.keys()
    assert around.observed() == inner.observed()
    around.keep(2)
    assert all((value.isfinite().sum(-1) == 2).all() for value in inner.logits().values())
    other = Halved(Softmax(toy_space(), seed=2, scale=1.0))
    other.load_state_dict(around.state_dict())
    assert all(torch.equal(value, other.logits()[name]) for name, value in around.logits().items())
