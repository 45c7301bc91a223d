import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from plugin_scores import NB201, stream
from pyarrow import csv, parquet
from scipy import stats

from nascence.benchmarks import judging
from nascence.benchmarks.correlation import kendall, oriented
from nascence.benchmarks.judging import judge_scores
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.tables import load_table
from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.registry import Registry
from nascence.scores.aggregation import RankingPart, RankSum
from nascence.spaces import get_space

CELLS = stream().selection.architectures


@pytest.fixture(scope="module")
def scores():
    return stream().run()


@pytest.fixture(params=["parquet", "csv"])
def table(request, tmp_path):
    """A user's own: accuracies of the scored cells but the first two, and of one more; one value is missing."""
    path = tmp_path / f"mine.{request.param}"
    more = next(cell for cell in NB201.enumerate() if cell not in CELLS)
    accuracy = np.linspace(0.5, 0.9, len(CELLS) - 1)
    columns = {
        "architecture": [str(cell) for cell in (*CELLS[2:], more)],
        "accuracy": pa.array([None, *accuracy[1:]], pa.float64()),
    }
    (csv.write_csv if request.param == "csv" else parquet.write_table)(pa.table(columns), path)
    return load_table(path, space="nas-bench-201")


def test_scores_are_held_against_the_rows_they_belong_to(scores, table):
    found = judge_scores(scores, table, "accuracy", resamples=5)
    assert (found.count, found.left_out) == (57, 3)
    rows = {row["score"]: row for row in found.rows}
    assert set(rows) == {"dice", "convolutions", "params", "flops", "trainable-layers"}
    truth = np.linspace(0.5, 0.9, 59)[1:-1]
    down = -scores.columns["convolutions"][3:]
    assert rows["convolutions"]["kendall"] == pytest.approx(stats.kendalltau(down, truth).statistic)
    np.testing.assert_array_equal(found.values["convolutions"], down)
    dead = np.isneginf(scores.columns["dice"][3:]).sum()
    assert rows["dice"]["non_finite"] == dead > 0
    assert found.to_json()["settings"]["seed"] == 0


def test_sizes_in_the_file_are_used_as_they_are(scores, table):
    from dataclasses import replace

    sizes = np.arange(60.0)[::-1].copy()
    settings = {**scores.settings, "scores": {**scores.settings["scores"], "params": {"larger_is_better": True}}}
    mine = replace(scores, settings=settings, columns={**scores.columns, "params": sizes})
    rows = {row["score"]: row for row in judge_scores(mine, table, "accuracy", resamples=1).rows}
    assert rows["params"]["kendall"] == pytest.approx(-1)


def test_aggregates_whose_parts_are_there(scores, table, monkeypatch):
    class Sum:
        def __init__(self, *names):
            self.parts = [type("Part", (), {"score": name}) for name in names]

        def __call__(self, columns):
            assert columns["dice"].shape == (1, 60)  # a draw of all that were scored, who are the population
            return sum(np.ravel(columns[part.score]) for part in self.parts)

    sums = {"both": Sum("dice", "params"), "params": Sum("params"), "no": Sum("absent")}
    monkeypatch.setattr(judging, "AGGREGATES", Registry("aggregate", sums))
    found = judge_scores(scores, table, "accuracy", resamples=1)
    assert {"both", "params (ranks)"} <= found.values.keys()
    assert "no" not in found.values


def test_every_draw_is_judged_by_itself_too(table, monkeypatch):
    """Of a ranking one draw is that of all its parts; what has no draws is the same at each."""
    from dataclasses import replace

    drawn = replace(stream(), draws=3).run()
    ranking = RankSum("both", (RankingPart("dice"), RankingPart("convolutions")), lambda share: share, "", "")
    monkeypatch.setattr(judging, "AGGREGATES", Registry("aggregate", {"both": ranking}))
    rows = {row["score"]: row["single_draws"] for row in judge_scores(drawn, table, "accuracy", resamples=1).rows}
    assert rows["convolutions"] is None
    truth = np.linspace(0.5, 0.9, 59)[1:-1]
    for name, values in (
        ("dice", drawn.draws("dice")),
        ("both", [ranking({**drawn.columns, "dice": draw}) for draw in drawn.draws("dice")]),
    ):
        taus = [kendall(oriented(draw, True)[3:], truth) for draw in values]
        assert len(taus) == 3
        assert np.std(taus) > 0
        assert rows[name]["kendall"] == pytest.approx((np.mean(taus), np.std(taus, ddof=1)))


def test_what_does_not_fit(scores, table, tmp_path):
    with pytest.raises(UnknownNameError, match="accurracy"):
        judge_scores(scores, table, "accurracy")
    with pytest.raises(SettingError, match="resamples"):
        judge_scores(scores, table, "accuracy", resamples=0)
    macro = tmp_path / "macro.csv"
    macro.write_text("architecture,accuracy\n01201201,0.5\n")
    with pytest.raises(DataError, match="is about nas-bench-macro, but the scores are of nas-bench-201"):
        judge_scores(scores, load_table(macro, space="nas-bench-macro"), "accuracy")
    few = tmp_path / "few.csv"
    few.write_text(f"architecture,accuracy\n{CELLS[0]},0.5\n{CELLS[1]},0.5\n")
    with pytest.raises(DataError, match="for 2 of the 60"):
        judge_scores(scores, load_table(few, space="nas-bench-201"), "accuracy")
    mixed = tmp_path / "mixed.csv"
    mixed.write_text(f"architecture,accuracy\n{CELLS[0]},0.5\n01201201,0.5\n")
    with pytest.raises(DataError, match="in row 2"):
        judge_scores(scores, load_table(mixed, space="nas-bench-201"), "accuracy")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("nas-bench-201", "cifar10_valid_acc_12ep"),
        ("nas-bench-macro", "test_acc"),
        ("channel-bench-macro-mobilenet", "test_acc"),
    ],
)
def test_known_tables(name, column):
    place = Path(os.environ.get("NASCENCE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (place / "tables").is_dir():
        pytest.skip(f"needs the tables below {place}; set NASCENCE_DATA")
    from dataclasses import replace

    table, space = load_table(name, place), get_space(name)
    one = replace(stream(), space=space, selection=Selection.sample(space, 40, 0))
    found = judge_scores(one.run(), table, column, resamples=1)
    rows = {row["score"]: row for row in found.rows}
    assert found.count == 40
    assert rows["flops"]["kendall"] > 0.2  # networks of more FLOPs are better everywhere
    assert len(rows) == 5
    at = found.truth.argmax()
    assert found.truth[at] == table.value(one.selection.architectures[at], column)
