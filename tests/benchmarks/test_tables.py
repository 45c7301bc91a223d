import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from nascence.benchmarks import TABLES, load_table
from nascence.errors import DataError, UnknownNameError
from nascence.spaces import get_space

NB201 = get_space("nas-bench-201")
CELLS = [NB201.from_index(at) for at in (5, 0, 77)]


def data_dir() -> Path:
    place = Path(os.environ.get("NASCENCE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (place / "tables" / "nas-bench-201.parquet").is_file():
        pytest.skip(f"needs the table nas-bench-201 below {place}; set NASCENCE_DATA")
    return place


def own(path, key="architecture", **columns):
    """A table of three cells, by the file's ending."""
    table = pa.table({key: [str(cell) for cell in CELLS], **columns})
    (csv.write_csv if path.suffix == ".csv" else parquet.write_table)(table, path)
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_of_ones_own(tmp_path, ending):
    path = own(tmp_path / f"mine.{ending}", accuracy=[0.1, 0.2, 0.3], seeds=[1, 2, 3], note=["a", "b", "c"])
    table = load_table(path, space="nas-bench-201")
    assert table.columns == ["accuracy", "seeds"]  # text is no result
    assert len(table) == 3
    assert table.architectures() == CELLS
    assert [table.value(cell, "accuracy") for cell in CELLS] == [0.1, 0.2, 0.3]
    assert table.column("seeds").dtype == np.float64
    assert CELLS[0] in table
    assert NB201.from_index(9) not in table
    with pytest.raises(DataError, match="no row for"):
        table.value(NB201.from_index(9), "accuracy")


def test_columns_are_read_only_when_asked_for(tmp_path, monkeypatch):
    path = own(tmp_path / "mine.parquet", a=[1.0, 2.0, 3.0], b=[4.0, 5.0, 6.0])
    read = []
    original = parquet.ParquetFile.read
    monkeypatch.setattr(
        parquet.ParquetFile, "read", lambda self, columns: read.append(columns) or original(self, columns=columns)
    )
    table = load_table(path, space="nas-bench-201")
    assert ["a"] not in read
    assert table.column("a").tolist() == [1.0, 2.0, 3.0]
    table.value(CELLS[0], "a")
    assert read.count(["a"]) == 1
    assert ["b"] not in read


def test_an_unknown_column_lists_the_columns(tmp_path):
    table = load_table(own(tmp_path / "mine.csv", accuracy=[1, 2, 3]), space="nas-bench-201")
    with pytest.raises(UnknownNameError, match=r"'acuracy'. Did you mean 'accuracy'\? Known: accuracy"):
        table.value(CELLS[0], "acuracy")


def test_missing_values_are_said(tmp_path):
    table = load_table(own(tmp_path / "mine.parquet", accuracy=[1.0, None, 3.0]), space="nas-bench-201")
    assert table.value(CELLS[2], "accuracy") == 3.0
    with pytest.raises(DataError, match="no accuracy for"):
        table.value(CELLS[1], "accuracy")


def test_another_space_is_refused_in_one_sentence(tmp_path):
    path = own(tmp_path / "mine.parquet", accuracy=[1, 2, 3])
    with pytest.raises(DataError, match="no table of the space darts: its first architecture is"):
        load_table(path, space="darts")
    table = load_table(path, space="nas-bench-201")
    darts = get_space("darts")
    with pytest.raises(DataError, match="is about nas-bench-201, not about darts"):
        table.value(darts.architecture([choice.options[0] for choice in darts.choices]), "accuracy")


def test_a_bad_or_double_row_is_named(tmp_path):
    texts = [str(CELLS[0]), "|x~0|", str(CELLS[2])]
    parquet.write_table(pa.table({"architecture": texts, "v": [1, 2, 3]}), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"row 2: '\|x~0\|'"):
        load_table(tmp_path / "bad.parquet", space="nas-bench-201").architectures()
    parquet.write_table(pa.table({"architecture": [texts[0]] * 2, "v": [1, 2]}), tmp_path / "double.parquet")
    with pytest.raises(DataError, match="rows 1 and 2"):
        load_table(tmp_path / "double.parquet", space="nas-bench-201").architectures()


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "keyless.parquet")
    empty = pa.table({"architecture": pa.array([], pa.string()), "x": pa.array([], pa.int64())})
    parquet.write_table(empty, tmp_path / "e.parquet")
    (tmp_path / "broken.csv").write_text("architecture,x\na,1,2\n")
    for name, message in {
        "broken.parquet": "Cannot read the table",
        "keyless.parquet": "no column 'architecture'; its columns are x",
        "e.parquet": "no rows",
        "broken.csv": "Cannot read the CSV table",
        "absent.csv": "There is no table at",
        "table.xlsx": "expected one of nas-bench-201",
    }.items():
        with pytest.raises(DataError, match=message):
            load_table(tmp_path / name, space="nas-bench-201")
    with pytest.raises(DataError, match="--space"):
        load_table(own(tmp_path / "mine.parquet", x=[1, 2, 3]))
    with pytest.raises(DataError, match="--data-dir"):
        load_table("nas-bench-201")


def test_the_files_own_metadata_names_the_space(tmp_path):
    table = pa.table({"architecture": [str(CELLS[0])], "x": [1]}).replace_schema_metadata({"space": "nas-bench-201"})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert load_table(tmp_path / "t.parquet").space.name == NB201.name


@pytest.mark.data
def test_facts_of_the_nas_bench_201_table():
    table = load_table("nas-bench-201", data_dir())
    assert len(table) == 15625
    assert table.texts[9930].startswith("|nor_conv_3x3~0|+")
    assert "index" not in table.columns
    cifar10 = table.column("cifar10_test_acc_200ep")
    assert int(cifar10.argmax()) == 6111
    assert cifar10.max() == pytest.approx(94.373, abs=5e-4)
    assert cifar10.mean() == pytest.approx(87.06, abs=5e-3)
    assert np.median(cifar10) == pytest.approx(90.75, abs=5e-3)
    assert int((np.abs(cifar10 - 10) < 1e-6).sum()) == 341
    assert table.value(NB201.from_index(6111), "cifar10_test_acc_200ep") == cifar10.max()
    best = NB201.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    assert table.value(best, "cifar100_test_acc_200ep") == pytest.approx(73.513, abs=5e-4)
    assert int(table.column("cifar100_test_acc_200ep").argmax()) == NB201.index(best) == 9930


@pytest.mark.data
def test_every_row_of_the_nas_bench_201_table_stands_at_its_index():
    table = load_table("nas-bench-201", data_dir())
    assert table.architectures() == [NB201.from_index(at) for at in range(15625)]


@pytest.mark.data
def test_known_tables_exist_under_their_names():
    for source in TABLES.values():
        assert (data_dir() / "tables" / source.file).is_file()
