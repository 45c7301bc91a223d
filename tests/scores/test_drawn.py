"""Scores of an architecture at one draw."""

import pytest

from nascence.scores import SCORES, evaluate
from nascence.scores.drawn import DrawnScores
from nascence.spaces import get_space
from nascence.tasks import load_task

SPACE = get_space("nas-bench-201")


@pytest.fixture(scope="module")
def drawn():
    return DrawnScores([SCORES.get(name)() for name in ("flops", "naswot")], SPACE, load_task("digits"), seed=4)


def test_they_are_those_of_a_file_of_scores(drawn):
    one = SPACE.parse("|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|")
    flops, naswot = drawn((one, 2))
    kept = evaluate(drawn.scores, SPACE, SPACE.canonical(one), drawn.task, seed=4, draws=3)
    assert naswot == kept["naswot"][2] != kept["naswot"][0]
    assert flops == evaluate(drawn.scores[:1], SPACE, one, drawn.task)["flops"][0]


def test_equal_networks_have_equal_random_scores_and_sizes_of_their_own(drawn):
    """The last edges carry nothing to the output in one of them, and are counted all the same."""
    dead = SPACE.parse("|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|")
    canonical = SPACE.canonical(dead)
    assert canonical != dead
    (many, one), (few, other) = drawn((dead, 0)), drawn((canonical, 0))
    assert one == other
    assert many > few


@pytest.mark.parametrize(("name", "looks"), [("naswot", True), ("flops", False)])
def test_a_score_looks_at_another_network_where_it_looks_at_one(name, looks):
    kind = SCORES.get(name)
    assert kind.looking_at(None) == kind()
    assert (kind.looking_at("search-small") != kind()) == looks
