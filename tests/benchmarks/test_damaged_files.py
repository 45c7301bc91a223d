"""Tables and files of scores with damaged bytes and odd types: read as they are, or one sentence."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugin_scores import stream
from pyarrow import parquet

from nascence.api.correlating import correlate
from nascence.benchmarks.scores_file import read_scores
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.tables import load_table
from nascence.errors import NascenceError
from nascence.spaces import get_space

NB201 = get_space("nas-bench-201")
CELLS = [str(NB201.from_index(at)) for at in range(5)]
CASES = int(os.environ.get("NASCENCE_CASES", "60"))
"""Of each property; set it higher for a long look."""
quick = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def one_sentence(act: Any) -> bool:
    """Whether it works; where it does not, what it says is one line of an error meant for users."""
    try:
        act()
    except NascenceError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return False
    return True


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    stream(count=5).run(out=folder / "scores.parquet")
    parquet.write_table(
        pa.table({"architecture": CELLS, "accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]}), folder / "table.parquet"
    )
    lines = ["architecture,accuracy", *(f"{cell},{at / 10}" for at, cell in enumerate(CELLS))]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder


def changed(content: bytes, places: list[tuple[float, int]], cut: float) -> bytes:
    """Single bytes replaced, by their place as a share of the whole, and the end cut off."""
    damaged = bytearray(content)
    for share, value in places:
        damaged[min(len(damaged) - 1, int(share * len(damaged)))] = value
    return bytes(damaged[: max(0, int(cut * len(damaged)))])


DAMAGE = st.tuples(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3])
)


@quick
@given(damage=DAMAGE, name=st.sampled_from(["scores.parquet", "table.parquet", "table.csv"]))
def test_damaged_bytes(place: Path, damage: tuple[list[tuple[float, int]], float], name: str) -> None:
    path = place / f"damaged-{name}"
    path.write_bytes(changed((place / name).read_bytes(), *damage))

    def read() -> None:
        table = load_table(path, space="nas-bench-201")
        table.architectures()
        for column in table.columns:
            table.column(column)

    one_sentence(read)
    if name == "scores.parquet":
        one_sentence(lambda: read_scores(path))


@quick
@given(
    text=st.text(max_size=200)
    | st.lists(st.sampled_from(["architecture", *CELLS, "accuracy", ",", "\n", '"', "1e999", "nan", "-", "\x00"])).map(
        "".join
    )
)
def test_any_text_as_a_table(place: Path, text: str) -> None:
    path = place / "any.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    one_sentence(lambda: load_table(path, space="nas-bench-201").architectures())
    one_sentence(lambda: Selection.file(NB201, path))


ODD = [
    pa.array([True] * 5),
    pa.array([b"x"] * 5),
    pa.array(["1"] * 5),
    pa.array([[1]] * 5),
    pa.array([{"a": 1}] * 5),
    pa.array([None] * 5),
    pa.array([None] * 5, pa.float64()),
    pa.array([1.5] * 5, pa.float16()),
    pa.array([datetime.date(2020, 1, 1)] * 5),
    pa.array([1] * 5, pa.decimal128(5, 2)),
    pa.array(["a", "b"] * 2 + ["a"]).dictionary_encode(),
    pa.array(CELLS, pa.large_string()),
    pa.array([2**63] * 5, pa.uint64()),
]


@pytest.mark.parametrize("column", ODD, ids=lambda column: str(column.type))
def test_odd_types_anywhere(place: Path, tmp_path: Path, column: Any) -> None:
    whole = parquet.read_table(place / "scores.parquet")
    for name in whole.column_names:
        at = whole.column_names.index(name)
        path = tmp_path / f"{at}.parquet"
        parquet.write_table(whole.set_column(at, name, column), path)
        one_sentence(lambda path=path: read_scores(path))
        one_sentence(lambda path=path: correlate(path, str(place / "table.parquet"), "accuracy"))
    for columns in ({"architecture": column, "accuracy": [1.0] * 5}, {"architecture": CELLS, "accuracy": column}):
        path = tmp_path / "table.parquet"
        parquet.write_table(pa.table(columns), path)
        one_sentence(lambda path=path: load_table(path, space="nas-bench-201").column("accuracy"))
        one_sentence(lambda path=path: correlate(place / "scores.parquet", str(path), "accuracy"))


@pytest.mark.parametrize("key", ["scores", "draws", "space", "seed", "format", "data", "architectures"])
@pytest.mark.parametrize("value", [None, [], {}, "x", -1, 10**12, {"dice": 1}, True])
def test_odd_settings(place: Path, tmp_path: Path, key: str, value: Any) -> None:
    table = parquet.read_table(place / "scores.parquet")
    kept = json.loads(table.schema.metadata[b"nascence.scores"])
    metadata = {**table.schema.metadata, b"nascence.scores": json.dumps({**kept, key: value}).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), tmp_path / "s.parquet")
    one_sentence(lambda: read_scores(tmp_path / "s.parquet", "nas-bench-201"))


def test_pipes_do_not_hang(tmp_path: Path) -> None:
    for name in ("t.parquet", "t.csv", "list"):
        os.mkfifo(tmp_path / name)
    assert not one_sentence(lambda: read_scores(tmp_path / "t.parquet"))
    assert not one_sentence(lambda: load_table(tmp_path / "t.csv", space="nas-bench-201"))
    assert not one_sentence(lambda: Selection.file(NB201, tmp_path / "list"))
