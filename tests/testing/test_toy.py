"""The toy space conforms, and the objective's optimum is what it says."""

import pytest

from nascence.spaces import SPACES, get_space
from nascence.testing import AdditiveObjective, CellSpaceConformance, toy_space


class TestToySpace(CellSpaceConformance):
    space = toy_space()

    def test_is_registered_once(self):
        assert toy_space() is toy_space() is get_space("toy")
        assert SPACES.names().count("toy") == 1

    def test_has_64_architectures(self):
        assert self.space.size == 64


@pytest.mark.parametrize("seed", range(5))
def test_the_optimum_is_unique_and_known(seed):
    space = toy_space()
    objective = AdditiveObjective.random(space, seed)
    values = {architecture: objective(architecture) for architecture in space.enumerate()}
    assert [a for a, value in values.items() if value == 1] == [objective.best]
    assert [a for a, value in values.items() if value == 0] == [objective.worst]
    assert all(0 <= value <= 1 for value in values.values())


def test_every_other_architecture_has_a_better_neighbour():
    space = toy_space()
    objective = AdditiveObjective.random(space, 1)
    for architecture in space.enumerate():
        better = any(objective(neighbour) > objective(architecture) for neighbour in space.neighbours(architecture))
        assert better == (architecture != objective.best)


def test_works_on_any_space_and_depends_on_the_seed():
    space = get_space("darts")
    bests = {AdditiveObjective.random(space, seed).best for seed in range(5)}
    assert len(bests) == 5
    for seed in range(5):
        objective = AdditiveObjective.random(space, seed)
        assert objective(objective.best) == 1
        assert objective.best in bests
