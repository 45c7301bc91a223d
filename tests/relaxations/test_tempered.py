"""Every relaxation with a temperature follows its schedule, and tells it."""

import pytest

from nascence.relaxations import GumbelSoftmax, SoftGumbel, Softmax
from nascence.relaxations.gumbel_top_k import GumbelTopK
from nascence.relaxations.tempered import TemperedRelaxation
from nascence.schedules import Constant, Linear, Moment
from nascence.testing import toy_space

SPACE = toy_space()
KINDS = {
    "softmax": lambda schedule: Softmax(SPACE, None, schedule),
    "gumbel": lambda schedule: GumbelSoftmax(SPACE, None, schedule),
    "gumbel-top-k": lambda schedule: GumbelTopK(SPACE, None, 2, schedule),
    "soft-gumbel": lambda schedule: SoftGumbel(SPACE, None, schedule),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_temperature_follows_its_schedule(name):
    schedule = Linear(5.0, 1.0, reach=True)
    relaxation = KINDS[name](schedule)
    assert isinstance(relaxation, TemperedRelaxation)
    assert relaxation.temperature == schedule(Moment(0, 1))
    for epoch in range(5):
        relaxation.begin(Moment(epoch, 5))
        assert relaxation.temperature == schedule(Moment(epoch, 5))
        assert relaxation.observed() == {"temperature": relaxation.temperature}
    assert relaxation.temperature == 1.0


def test_a_constant_one_is_told_where_it_is_a_choice():
    assert Softmax(SPACE, None, Constant(2.0)).observed() == {}
    assert GumbelSoftmax(SPACE, None, Constant(2.0)).observed() == {"temperature": 2.0}
