"""Results of three forms."""

import pytest

from nascence.strategies.found import Found
from nascence.strategies.pareto import Criterion
from nascence.testing import toy_space

SPACE = toy_space()
SOME = tuple(SPACE.enumerate())[:3]


def test_what_is_picked():
    assert Found("one", SOME[:1]).picked == SOME[0]
    assert Found("ensemble", SOME, 2).picked == SOME[2]
    front = Found("front", SOME, 1, ((1.0,), (2.0,), (3.0,)), (Criterion("error", "%", "wrong answers"),))
    assert front.picked == SOME[1]


@pytest.mark.parametrize("wrong", [("one", SOME), ("ensemble", SOME, 3), ("front", SOME, 0, ((1.0,),))])
def test_what_is_no_result(wrong):
    with pytest.raises(AssertionError):
        Found(*wrong)
