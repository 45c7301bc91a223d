import math

import numpy as np
import pyarrow as pa
import pytest
from plugin_scores import stream
from pyarrow import parquet

from nascence.benchmarks.scores_file import differences, read_scores
from nascence.benchmarks.tables import load_table
from nascence.errors import DataError, RunError


@pytest.fixture
def path(tmp_path):
    stream(count=5).run(out=tmp_path / "s.parquet")
    return tmp_path / "s.parquet"


def test_what_is_written_is_read(path):
    written, found = stream(count=5).run(), read_scores(path, "nas-bench-201")
    assert found.settings == written.settings
    assert found.architectures == written.architectures
    assert found.columns.keys() == written.columns.keys()
    for name, values in written.columns.items():
        np.testing.assert_array_equal(found.columns[name], values)
    assert found.scores == ["dice", "convolutions"]
    assert [found.larger_is_better(name) for name in found.scores] == [True, False]
    assert {"seed", "draws", "space", "versions", "data"} <= found.settings.keys()


def test_no_changed_bit_changes_a_score(path, tmp_path):
    whole, content = read_scores(path), path.read_bytes()
    changed = tmp_path / "changed.parquet"
    for at in range(0, len(content), 7):
        changed.write_bytes(content[:at] + bytes([content[at] ^ 8]) + content[at + 1 :])
        try:
            found = read_scores(changed)
        except DataError:
            continue
        assert found.settings == whole.settings
        assert found.architectures == whole.architectures
        assert found.columns.keys() == whole.columns.keys()
        for name, values in whole.columns.items():
            np.testing.assert_array_equal(found.columns[name], values)


def test_infinite_values_survive(tmp_path, path):
    table = read_scores(path)
    values = np.array([math.inf, -math.inf, math.nan, 0.1, 1e-310])
    table.columns["dice"][:] = values
    table.write(tmp_path / "other.parquet")
    np.testing.assert_array_equal(read_scores(tmp_path / "other.parquet").columns["dice"], values)


def test_it_is_a_table_like_any_other(path):
    assert load_table(path).space.name == "nas-bench-201"


def test_wrong_files(tmp_path, path):
    with pytest.raises(DataError, match="of the space nas-bench-201, not of darts"):
        read_scores(path, "darts")
    with pytest.raises(DataError, match="There is no scores file"):
        read_scores(tmp_path / "none.parquet")
    (tmp_path / "half.parquet.part").touch()
    with pytest.raises(DataError, match="unfinished: continue with --resume"):
        read_scores(tmp_path / "half.parquet")
    parquet.write_table(pa.table({"architecture": ["a"]}), tmp_path / "foreign.parquet")
    with pytest.raises(DataError, match="not written by"):
        read_scores(tmp_path / "foreign.parquet")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="Cannot read the scores file"):
        read_scores(damaged)


def test_another_format(monkeypatch, path):
    monkeypatch.setattr("nascence.benchmarks.scores_file.FORMAT", 9)
    with pytest.raises(DataError, match="format 1, which this version"):
        read_scores(path)


def test_a_place_that_cannot_be_written(tmp_path, path):
    with pytest.raises(RunError, match="Cannot write"):
        read_scores(path).write(tmp_path / "no folder" / "s.parquet")


def test_differences():
    kept = {"seed": 0, "scores": {"a": {"x": 1}, "b": {}}, "draws": 1}
    assert differences(kept, kept) == []
    asked = {"seed": 1, "scores": {"a": {"x": 2}, "c": {}}, "draws": 1}
    assert differences(kept, asked) == [
        "seed 0, not 1",
        "scores.a.x 1, not 2",
        "scores.b not asked for",
        "scores.c not there",
    ]
    data = [{"data": {"name": name, "images": count}} for name, count in (("a", 1), ("b", 2), ("a", 3))]
    assert differences(data[0], data[1]) == ["data.name a, not b"]
    assert differences(data[0], data[2]) == ["data.images 1, not 3"]
