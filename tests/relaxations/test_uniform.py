import torch

from nascence.relaxations import UniformPath
from nascence.seeding import generator
from nascence.testing import toy_space

SPACE = toy_space()


def test_a_sample_is_one_architecture_of_the_space():
    paths = UniformPath(SPACE)
    drawn = SPACE.sample(generator(3))
    assert all(torch.equal(value, SPACE.one_hot(drawn)[name]) for name, value in paths.sample(generator(3)).items())
    assert paths.parameters == {}


def test_who_makes_it_says_how_it_is_drawn():
    given, asked = SPACE.sample(generator(1)), []

    def draw(random):
        asked.append(random)
        return given

    (weights,) = UniformPath(SPACE, draw=draw).samples(random := generator(0))
    assert asked == [random]
    assert all(torch.equal(value, SPACE.one_hot(given)[name]) for name, value in weights.items())


def test_the_mean_is_equal_weights():
    for group in SPACE.groups:
        mean_RO, allowed_RO = UniformPath(SPACE).mean()[group.name], group.allowed()
        assert torch.allclose(mean_RO.sum(-1), torch.ones(len(mean_RO)))
        assert bool((mean_RO[~allowed_RO] == 0).all())
