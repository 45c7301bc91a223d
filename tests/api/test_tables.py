from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nascence.api.tables import evaluation_columns, look_up
from nascence.benchmarks import table_of
from nascence.spaces import get_space

FIRST, SECOND = (
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    columns = {
        "arch": [FIRST, SECOND],
        "cifar10_test_acc_200ep": [10.0, None],
        "cifar10_test_acc_12ep": [9.0, 8.0],
        "latency_ms": [1.0, 2.0],
    }
    (tmp_path / "tables").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "tables" / "nas-bench-201.parquet")
    return tmp_path


def test_the_accuracies_of_the_longest_training(folder: Path) -> None:
    space = get_space("nas-bench-201")
    table = table_of("nas-bench-201", folder)
    assert table is not None
    assert evaluation_columns(table) == ["cifar10_test_acc_200ep"]
    found = look_up(space.parse(FIRST), folder)
    assert found is not None
    assert found["values"] == {"cifar10_test_acc_200ep": 10.0}
    assert "evaluation only" in found["note"]


def test_what_a_table_does_not_know(folder: Path) -> None:
    space = get_space("nas-bench-201")
    assert look_up(space.parse(SECOND), folder) is None
    assert look_up(space.parse(FIRST.replace("none", "skip_connect")), folder) is None
    assert look_up(space.parse(FIRST), folder / "elsewhere") is None
    assert table_of("darts", folder) is None


def test_a_search_keeps_what_the_table_says(search_toy: Any, folder: Path) -> None:
    assert "table" not in search_toy("without").record
    assert table_of("nas-bench-201", folder) is not None
    space = get_space("nas-bench-201")
    texts = [str(architecture) for architecture in space.enumerate()]
    columns = {"arch": texts, "cifar10_test_acc_200ep": [float(at) for at in range(len(texts))]}
    pq.write_table(pa.table(columns), folder / "tables" / "nas-bench-201.parquet")
    record = search_toy("with", data_dir=folder).record
    value = float(texts.index(record["architecture"]))
    assert record["table"]["values"] == {"cifar10_test_acc_200ep": value}
