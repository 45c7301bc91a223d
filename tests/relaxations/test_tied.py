"""Groups that are tied have one set of parameters and equal weights."""

import torch

from nascence.relaxations import Softmax, Tied
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.h_das_cells import TIED


def test_tied_groups_have_the_weights_of_what_they_are_tied_to():
    inner = Softmax(get_space("darts"), seed=1, scale=1.0)
    tied = Tied(get_space("h-das-cells"), inner, TIED)
    assert tied.parameters.keys() == inner.parameters.keys()
    (mine,), (its,) = tied.samples(generator(0)), inner.samples(generator(0))
    assert set(mine) == {group.name for group in tied.space.groups}
    for name, of in TIED.items():
        assert torch.equal(mine[name], its[of])
        assert torch.equal(tied.scores()[name], inner.scores()[of])
    sum(value.square().sum() for value in mine.values()).backward()
    assert all(bool((leaf.grad != 0).any()) for leaf in inner.parameters.values())
