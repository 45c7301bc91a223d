import math

import pytest
import torch

from nascence.spaces import get_space
from nascence.strategies.descent.collapse import Health, examine
from nascence.tasks import Metric

ACCURACY = Metric("accuracy", "%")

NB201, DARTS = get_space("nas-bench-201"), get_space("darts")


def cell(*names):
    return NB201.architecture(names)


def uniform(space):
    edges, operations = len(space.shape.edges), len(space.operations)
    return {kind: torch.full((edges, operations), 1 / operations) for kind in space.kinds}


CONV, SKIP, NONE = "nor_conv_3x3", "skip_connect", "none"


def test_uniform_weights_have_entropy_one_and_no_margin():
    health = examine(NB201, uniform(NB201), cell(*[CONV] * 6), ACCURACY)
    assert health.entropy == pytest.approx(1.0)
    assert health.margin == pytest.approx(0.0)
    assert health.collapse is None


def test_entropy_and_margin_by_hand():
    weights = {"cell": torch.tensor([[0.0, 0.75, 0.25, 0.0, 0.0]] * 6)}
    health = examine(NB201, weights, cell(*[CONV] * 6), ACCURACY)
    assert health.margin == pytest.approx(0.5)
    assert health.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2))
    halved = examine(NB201, {"cell": weights["cell"] / 2}, cell(*[CONV] * 6), ACCURACY)
    assert (halved.entropy, halved.margin) == pytest.approx((health.entropy, health.margin)), "rows of any sum"
    decided = examine(NB201, {"cell": torch.eye(5)[[1] * 6]}, cell(*[CONV] * 6), ACCURACY)
    assert (decided.entropy, decided.margin) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("names", "collapsed"),
    [
        ([SKIP] * 6, True),
        ([SKIP, SKIP, SKIP, SKIP, CONV, CONV], True),
        ([SKIP, SKIP, NONE, NONE, CONV, CONV], True),
        ([SKIP, SKIP, SKIP, CONV, CONV, CONV], False),
        ([CONV] * 6, False),
    ],
)
def test_more_than_half_of_the_edges_do_nothing(names, collapsed):
    health = examine(NB201, uniform(NB201), cell(*names), ACCURACY)
    assert health.skip_share == names.count(SKIP) / 6
    assert health.none_share == names.count(NONE) / 6
    assert (health.collapse is not None) == collapsed
    assert health.event()["collapsed"] == collapsed


@pytest.mark.parametrize(
    ("names", "connected"),
    [
        ([CONV, NONE, CONV, NONE, NONE, CONV], True),  # 0 -> 1 -> 2 -> 3
        ([NONE, NONE, CONV, NONE, CONV, CONV], False),
        ([CONV, CONV, CONV, NONE, NONE, NONE], False),
        ([NONE, NONE, NONE, CONV, NONE, NONE], True),
    ],
)
def test_no_path(names, connected):
    health = examine(NB201, uniform(NB201), cell(*names), ACCURACY)
    assert health.connected == connected
    if not connected:
        assert "no path" in health.collapse


@pytest.mark.parametrize(("skips", "collapsed"), [((4, 4), False), ((5, 0), True), ((7, 1), True), ((0, 5), True)])
def test_each_kind_of_cell_is_looked_at_for_itself(skips, collapsed):
    def nodes(count):
        names = ["skip_connect"] * count + ["sep_conv_3x3"] * (8 - count)
        return [(name, at % 2) for at, name in enumerate(names)]

    architecture = DARTS.parse(f"Genotype(normal={nodes(skips[0])}, reduce={nodes(skips[1])})")
    health = examine(DARTS, uniform(DARTS), architecture, ACCURACY)
    assert health.skip_share == max(skips) / 8
    assert health.connected
    assert (health.collapse is not None) == collapsed
    if collapsed:
        assert f"{max(skips) / 8:.0%} of the edges of a cell" in health.collapse


def test_a_gap_counts_only_where_the_weights_are_decided():
    """Near-uniform weights leave a large gap by nature: it says nothing about the architecture."""
    facts = {"skip_share": 0.0, "none_share": 0.0, "margin": 0.9, "connected": True, "metric": ACCURACY}
    assert Health(entropy=0.9, supernet=80.0, derived=10.0, **facts).collapse is None
    assert Health(entropy=0.1, supernet=80.0, derived=60.0, **facts).collapse is None
    assert Health(entropy=0.1, **facts).collapse is None
    sentence = Health(entropy=0.1, supernet=80.0, derived=10.0, **facts).collapse
    assert "10 %" in sentence
    assert "80 %" in sentence
    assert sentence.count(".") == 1, "one sentence"
    assert "try" in sentence


POOL = "avg_pool_3x3"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([POOL] * 6, "nothing to learn"),
        ([POOL, POOL, POOL, SKIP, SKIP, NONE], "nothing to learn"),
        ([POOL] * 5 + [CONV], None),
    ],
)
def test_cells_of_pooling_alone(names, words):
    health = examine(NB201, uniform(NB201), cell(*names), ACCURACY)
    assert (health.collapse is None) == (words is None)
    if words:
        assert words in health.collapse
    assert "pool_share" not in health.event()
    assert Health.load(health.state_dict(), ACCURACY) == health


def pairs(*operations):
    inputs = ((0, 1), (0, 1), (0, 1), (0, 1))
    each = zip(operations[::2], operations[1::2], strict=True)
    return "+".join(f"|{a}~{i}|{b}~{j}|" for (a, b), (i, j) in zip(each, inputs, strict=True))


def test_eight_max_poolings_as_the_authors_code_logged_them():
    """One kind of cell is enough: the other one has all its convolutions."""
    pooled, learning = pairs(*["max_pool_3x3"] * 8), pairs(*["sep_conv_3x3"] * 8)
    for normal, reduce in ((pooled, learning), (learning, pooled)):
        health = examine(DARTS, uniform(DARTS), DARTS.parse(f"normal:{normal};reduce:{reduce}"), ACCURACY)
        assert "only pools" in health.collapse
        assert health.event()["collapsed"]


def test_a_reduction_cell_of_poolings_and_skips_is_none():
    """The published DARTS (second order) has one: two or three of its eight operations skip."""
    reduce = pairs(*["max_pool_3x3"] * 5, *["skip_connect"] * 3)
    normal = pairs(*["sep_conv_3x3"] * 6, "skip_connect", "dil_conv_3x3")
    health = examine(DARTS, uniform(DARTS), DARTS.parse(f"normal:{normal};reduce:{reduce}"), ACCURACY)
    assert health.collapse is None


def test_a_checkpoint_from_before_the_poolings_were_looked_at():
    state = examine(NB201, uniform(NB201), cell(*[CONV] * 6), ACCURACY).state_dict()
    del state["pool_share"], state["learning"]
    assert Health.load(state, ACCURACY).collapse is None
