import math

import numpy as np
import pytest

from nascence.errors import SettingError, UnknownNameError
from nascence.scores import SCORES
from nascence.scores.aggregation import AGGREGATES, RankingPart, RankSum, ranks


def test_ranks_share_ties_and_put_what_is_not_finite_last():
    values = [3.0, math.nan, 1.0, 3.0, math.inf, 2.0, -math.inf]
    assert ranks(values).tolist() == [6.5, 2, 4, 6.5, 2, 5, 2]
    assert ranks(values, larger_is_better=False).tolist() == [4.5, 2, 7, 4.5, 2, 6, 2]


def test_rank_sum_by_hand():
    columns = {"a": [1.0, 2.0, 3.0], "b": [5.0, 9.0, 7.0], "c": [0, 0, 0]}
    both = RankSum("both", (RankingPart("a"), RankingPart("b", larger_is_better=False)), np.log, "", "")
    # ranks of a: 1 2 3; of b downwards: 3 1 2
    assert both(columns) == pytest.approx([math.log(3 / 9), math.log(2 / 9), math.log(6 / 9)])


def test_draws_are_ranked_one_by_one():
    one = RankSum("one", (RankingPart("a"),), np.log, "", "")
    draws = np.array([[1.0, 2.0, 3.0], [30.0, 10.0, 20.0]])
    expected = np.log(np.array([2, 1.5, 2.5]) / 3)  # the means of 1 2 3 and 3 1 2
    assert one({"a": draws}) == pytest.approx(expected)
    assert one({"a": draws}, np.ones((2, 3), dtype=bool)) == pytest.approx(expected)
    # a part without randomness has one row, beside others with several
    both = RankSum("both", (RankingPart("a"), RankingPart("b", larger_is_better=False)), np.log, "", "")
    assert both({"a": draws, "b": [5, 7, 9]}) == pytest.approx(expected + np.log(np.array([3, 2, 1]) / 3))


def test_those_who_are_drawn_again_share_out_their_ranks_anew():
    """Of five, the second, third and last (ranks 2, 5, 4) are drawn again: their order is then 5, 2, 3 upwards."""
    one = RankSum("one", (RankingPart("a"),), np.log, "", "")
    draws = np.array([[1.0, 2.0, 5.0, 3.0, 4.0], [0.0, 70.0, 80.0, 0.0, 60.0]])
    measured = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 1]], dtype=bool)
    first, second = np.array([1, 2, 5, 3, 4]), np.array([1, 4, 5, 3, 2])
    expected = np.log(np.where(measured[1], (first + second) / 2, first) / 5)
    assert one({"a": draws}, measured) == pytest.approx(expected)
    # what never changes keeps its rank, equals among them too
    same = np.array([[2.0, 2.0, 5.0, 2.0, 4.0]] * 2)
    assert one({"a": same}, measured) == pytest.approx(one({"a": same[0]}))


def test_among_the_best_only_the_deciding_parts_count():
    columns = {"a": [3.0, 2.0, 1.0], "b": [5.0, 9.0, 7.0]}
    parts = RankingPart("a"), RankingPart("b")
    all_decide = RankSum("all", parts, np.log, "", "")
    assert all_decide.among_the_best()(columns) == pytest.approx(all_decide(columns))
    one_decides = RankSum("one", parts, np.log, "", "", deciding=(RankingPart("b", weight=2),))
    assert one_decides.over_all()(columns) == pytest.approx(all_decide(columns))
    assert one_decides.among_the_best()(columns) == pytest.approx(2 * np.log(np.array([1, 3, 2]) / 3))


def test_the_best_twentieth_change_places():
    """Of sixty, the three best (by a: 59, 58, 57) in the order of b: 57, 59, 58; all others keep their values."""
    a, b = np.arange(60.0), np.zeros(60)
    b[[57, 58, 59]] = 3, 1, 2
    plain = RankSum("plain", (RankingPart("a"),), np.log, "", "")
    both = RankSum("both", (RankingPart("a"),), np.log, "", "", deciding=(RankingPart("b"),))
    expected = plain({"a": a})
    expected[[57, 59, 58]] = expected[[59, 58, 57]]
    assert both({"a": a, "b": b}) == pytest.approx(expected)


def test_equals_stay_equal_among_the_best():
    """Whom neither sum tells apart share one value, and a tie at the border is not cut."""
    a, b = np.arange(60.0), np.zeros(60)
    a[[56, 57]] = 57
    b[[56, 57]] = 1
    both = RankSum("both", (RankingPart("a"),), np.log, "", "", deciding=(RankingPart("b"),))
    found, plain = both({"a": a, "b": b}), both.over_all()({"a": a})
    assert found[:56] == pytest.approx(plain[:56])
    assert found[56] == found[57] == pytest.approx(plain[[58, 59]].mean())
    assert found[58] == found[59] == pytest.approx(plain[[56, 57]].mean())
    assert both({"a": [1.0], "b": [2.0]}) == pytest.approx([0.0])


@pytest.mark.parametrize("name", AGGREGATES.names())
def test_what_decides_are_parts_of_the_whole(name):
    aggregate = AGGREGATES.get(name)
    assert {part.score for part in aggregate.deciding} <= {part.score for part in aggregate.parts}


@pytest.mark.parametrize("name", AGGREGATES.names())
def test_aggregates_name_scores_in_their_direction(name):
    aggregate = AGGREGATES.get(name)
    assert aggregate.name == name
    for part in aggregate.parts:
        assert SCORES.get(part.score).larger_is_better is part.larger_is_better
    random = np.random.default_rng(0)
    columns = {part.score: random.normal(size=30) for part in aggregate.parts}
    best = dict(columns)
    for part in aggregate.parts:
        best[part.score] = columns[part.score].copy()
        best[part.score][11] = 99 if part.larger_is_better else -99
    found = aggregate(best)
    assert np.argmax(found) == 11
    # only the order matters
    cubed = {score: column**3 for score, column in best.items()}
    assert aggregate(cubed) == pytest.approx(found)


def test_az_nas_is_the_sum_of_logarithms():
    columns = {
        "flops": [10, 20, 30, 40],
        "az-expressivity": [4, 3, 2, 1],
        "az-progressivity": [1, 3, 2, 4],
        "az-trainability": [-math.inf, -1, -2, -math.inf],
    }
    expected = []
    for r in [(1, 4, 1, 1.5), (2, 3, 3, 4), (3, 2, 2, 3), (4, 1, 4, 1.5)]:
        expected.append(sum(math.log(rank / 4) for rank in r))
    assert AGGREGATES.get("az-nas")(columns) == pytest.approx(expected)


def test_nascence_by_hand():
    """Three architectures: the second wins over the first, which has more best ranks and more worst ones."""
    columns = {
        "nascence-expressivity": [9, 8, -math.inf],
        "nascence-activations": [300, 200, 100],
        "nascence-patterns": [7, 7, 5],
        "nascence-separability": [-20, -30, -25],
        "nascence-trainability": [-0.5, -0.1, -0.3],
        "nascence-layers": [1.5, 2.5, 2],
        "flops": [1, 3, 2],
    }
    # ranks: 3 2 1; 3 2 1; 2.5 2.5 1; 3 1 2; 1 3 2; twice 1 3 2; 1 3 2
    expected = [
        math.log(3 * 3 * 2.5 * 3 * 1 * 1**2 * 1 / 3**8),
        math.log(2 * 2 * 2.5 * 1 * 3 * 3**2 * 3 / 3**8),
        math.log(1 * 1 * 1 * 2 * 2 * 2**2 * 2 / 3**8),
    ]
    found = AGGREGATES.get("nascence")(columns)
    assert found == pytest.approx(expected)
    assert found.argsort().tolist() == [2, 0, 1]


def test_te_nas_adds_ranks():
    value = AGGREGATES.get("te-nas-ranks")({"ntk-condition": [5, math.inf, 7], "linear-regions": [10, 30, 20]})
    assert value == pytest.approx([4 / 3, 4 / 3, 4 / 3])


def test_mistakes():
    az = AGGREGATES.get("az-nas")
    with pytest.raises(SettingError, match="az-nas needs a column 'az-expressivity'; there are flops"):
        az({"flops": [1.0]})
    uneven = {part.score: [1.0] * (1 + (part.score == "flops")) for part in az.parts}
    with pytest.raises(SettingError, match="differ in length"):
        az(uneven)
    with pytest.raises(SettingError, match="one value or more"):
        ranks([])
    with pytest.raises(UnknownNameError, match="Unknown aggregate"):
        AGGREGATES.get("az")


def test_the_published_set_of_vkdnw_for_nas_bench_201() -> None:
    parts = {part.score: part.larger_is_better for part in AGGREGATES.get("vkdnw-agg").parts}
    assert parts == dict.fromkeys(("flops", "az-expressivity", "az-trainability", "jacob-cov", "vkdnw"), True)
    columns = {name: [1.0, 2.0, 3.0] for name in parts} | {"vkdnw": [2.0, 1.0, 3.0]}
    expected = [4 * np.log(1 / 3) + np.log(2 / 3), 4 * np.log(2 / 3) + np.log(1 / 3), 0.0]
    assert AGGREGATES.get("vkdnw-agg")(columns) == pytest.approx(expected)
