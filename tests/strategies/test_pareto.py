import itertools

import numpy as np
import pytest

from nascence.spaces import get_space
from nascence.strategies import Criterion, Front
from nascence.strategies.pareto import hypervolume, indistinct, knee, non_dominated, told_apart

MACRO = get_space("nas-bench-macro")
ERROR, SCORE, PARAMS = Criterion("error", "%", ""), Criterion("naswot", "", "", True), Criterion("params", "", "")


def dominates(one, two):
    return all(a <= b for a, b in zip(one, two, strict=True)) and any(a < b for a, b in zip(one, two, strict=True))


def obvious_front(rows):
    """By the definition, pair by pair; of equal rows the first."""
    kept = []
    for at, row in enumerate(rows):
        if not any(dominates(other, row) for other in rows) and row not in [rows[k] for k in kept]:
            kept.append(at)
    return kept


@pytest.mark.parametrize(("columns", "values"), [(2, 4), (2, 50), (3, 5), (4, 3)])
def test_non_dominated_is_the_definition(columns, values):
    rows = np.random.default_rng(columns + values).integers(values, size=(60, columns)).astype(float)
    found = non_dominated(rows).tolist()
    assert found == obvious_front([tuple(row) for row in rows.tolist()])
    assert 0 < len(found) < 60


def test_nothing_and_one():
    assert non_dominated(np.zeros((0, 2))).tolist() == []
    assert non_dominated(np.zeros((1, 2))).tolist() == [0]
    assert non_dominated(np.zeros((5, 2))).tolist() == [0], "of equals the first"


def test_the_knee_is_farthest_from_the_line_through_the_ends():
    x = np.linspace(0.1, 1, 40)
    front = np.stack([x, 1 / x], axis=1) * [3.0, 1e6]  # units do not matter
    scaled = (front - front.min(0)) / np.ptp(front, axis=0)
    ends = scaled[[0, -1]]
    (ax, ay), (bx, by) = ends
    distances = [abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) for x, y in scaled]
    assert knee(front) == int(np.argmax(distances))
    assert 0 < knee(front) < 39


def test_the_knee_where_nothing_differs():
    assert knee(np.array([[1.0, 5.0]])) == 0
    assert knee(np.array([[1.0, 5.0], [1.0, 4.0]])) == 1


def test_hypervolume_by_counting_cells():
    """On whole numbers: the number of unit cells that some row dominates, below the reference point."""
    rows = np.array([[1, 6], [3, 3], [6, 1], [4, 4], [9, 0]], dtype=float)
    reference = (8, 7)
    cells = itertools.product(range(8), range(7))
    covered = sum(any(a <= x and b <= y for a, b in rows.tolist()) for x, y in cells)
    assert hypervolume(rows, reference) == covered


def test_a_front_is_sorted_and_keeps_signs():
    architectures = [MACRO.parse(text) for text in ("00000000", "11111111", "22222222", "00000001", "00000002")]
    values = [(1.0, 10), (3.0, 30), (2.0, 20), (0.5, 20), (3.0, 40)]
    front = Front.of((SCORE, PARAMS), architectures, values)
    assert front.values == ((3.0, 30.0), (2.0, 20.0), (1.0, 10.0)), "best first by the first objective"
    assert [str(one) for one in front.architectures] == ["11111111", "22222222", "00000000"]
    assert len(front) == 3
    assert SCORE.sign == -1
    assert PARAMS.sign == 1
    low = Front.of((ERROR, PARAMS), architectures, values)
    assert low.values == ((0.5, 20.0), (1.0, 10.0))
    assert low.knee in (0, 1)


def test_an_empty_front():
    assert len(Front.of((ERROR, PARAMS), [], [])) == 0


def test_shares_that_cannot_be_told_apart():
    """Of 1,000 examples, 10 and 12 % differ by 1.4 standard errors, 10 and 14 % by 2.8."""
    assert indistinct([12.0, 10.0, 14.0], 1_000) == [(1, 0), (0, 2)], "neighbours by value"
    assert indistinct([10.0, 14.0], 1_000) == []
    assert indistinct([10.0, 12.0], 10_000) == []
    assert indistinct([0.0, 0.0, 50.0], 100) == [(0, 1)]
    assert indistinct([], 10) == indistinct([5.0], 10) == []


def test_the_sentence_about_them():
    objectives = [{"name": "error", "examples": 1_000}, {"name": "params"}]
    front = {"objectives": objectives, "front": [0, 1, 2], "indistinct": {"objective": "error", "pairs": [[0, 1]]}}
    told = told_apart(front)
    assert "By error, 1 of 2 pairs of neighbours cannot be told apart" in told
    assert "1,000 examples" in told
    assert told_apart({**front, "indistinct": {"objective": "error", "pairs": []}}) is None
    assert told_apart({"objectives": objectives, "front": [0]}) is None, "as earlier versions wrote it"
