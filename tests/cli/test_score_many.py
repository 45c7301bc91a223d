"""Many scores into a file, and the file held against a table."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from nascence.benchmarks.scores_file import read_scores
from nascence.spaces import get_space

NB201 = get_space("nas-bench-201")
SIZES = ("--scores", "params,flops")


_SCORED: list[bytes] = []


@pytest.fixture
def scored(nascence_command: Any) -> str:
    """A scores file of 30 cells, computed once for all tests."""
    if not _SCORED:
        assert nascence_command("score", "--sample", 30, *SIZES, "--out", "first.parquet").code == 0
        _SCORED.append(Path("first.parquet").read_bytes())
    Path("s.parquet").write_bytes(_SCORED[0])
    return "s.parquet"


def test_a_sample_into_a_file(nascence_command: Any, scored: str) -> None:
    assert len(read_scores(scored).architectures) == 30
    again = nascence_command("score", "--sample", 30, *SIZES, "--out", scored, "--resume", "--json")
    assert again.code == 0
    assert again.json["out"] == scored
    assert again.json["rows"] == 30
    assert again.json["columns"] == ["params", "flops"]
    assert again.json["settings"]["architectures"]["selection"] == "sample 30 of seed 0"


def test_without_a_file_a_small_table(nascence_command: Any, tmp_path: Any) -> None:
    cells = [NB201.from_index(at) for at in (3, 8)]
    (tmp_path / "cells.txt").write_text("\n".join(map(str, cells)))
    shown = nascence_command("score", "--file", "cells.txt", *SIZES)
    assert shown.code == 0
    assert "2/2 evaluations" in shown.err
    assert all(str(cell) in shown.out for cell in cells)
    found = nascence_command("score", *cells, *SIZES, "--workers", 1, "--json").json
    alone = nascence_command("score", *cells, *SIZES, "--json").json
    for one, other in zip(found["architectures"], alone["architectures"], strict=True):
        assert one["architecture"] == other["architecture"]
        assert one["scores"] == other["scores"]
    assert not list(tmp_path.glob("*.parquet*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sample", 3, "--workers", 0), "at least 1, got 0"),
        (("--all", "--space", "darts"), "too many to score all"),
        (("--all", "--sample", 3), "one of --all, --sample"),
        (("--workers", 1), "one of --all, --sample"),
        (("--sample", 0), "1 to 15,625"),
        (("--sample", 3, "--scores", "params,nonsense"), "Unknown score 'nonsense'"),
        (("--sample", 3, "--executor", "threads"), "Unknown executor 'threads'"),
        (("--sample", 3, "--ray-address", "a:1"), "--executor ray"),
        pytest.param(
            ("--sample", 3, "--executor", "ray", "--ray-address", "127.0.0.1:1"),
            "No Ray cluster can be reached",
            marks=pytest.mark.skipif(find_spec("ray") is None, reason="Ray, an optional extra, is not installed"),
        ),
        (("--sample", 3, "--random", 2), "--sample N"),
        (("--file", "cells.txt"), "Line 2 of cells.txt is wrong"),
        (("--file", "absent.txt"), "absent.txt"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(
    nascence_command: Any, tmp_path: Any, arguments: tuple[Any, ...], said: str
) -> None:
    (tmp_path / "cells.txt").write_text(f"{NB201.from_index(0)}\nnonsense\n")
    failed = nascence_command("score", *arguments, *([] if "--scores" in arguments else SIZES), "--out", "s.parquet")
    assert failed.code == 2
    assert said in failed.err
    assert failed.err.count("\n") == 1
    assert failed.out == ""
    assert not list(tmp_path.glob("*.parquet*"))


def test_nothing_is_overwritten(nascence_command: Any, scored: str) -> None:
    before = Path(scored).read_bytes()
    for arguments, said in (
        (("--sample", 30), "--resume"),
        (("--sample", 30, "--resume", "--seed", 1), "seed 0, not 1"),
        (("--space", "nas-bench-macro", "--sample", 30, "--resume"), "space nas-bench-201, not nas-bench-macro"),
    ):
        failed = nascence_command("score", *arguments, *SIZES, "--data", "digits", "--out", scored)
        assert (failed.code, failed.err.count("\n")) == (2, 1)
        assert said in failed.err
    assert nascence_command("score", "--sample", 3, "--resume").code == 2  # continue what?
    assert Path(scored).read_bytes() == before


@pytest.fixture
def table(scored: str) -> str:
    found = read_scores(scored)
    accuracy = [90 + value / 1e6 for value in found.columns["params"]]
    parquet.write_table(pa.table({"architecture": found.architectures, "accuracy": accuracy}), "mine.parquet")
    return "mine.parquet"


def test_correlate(nascence_command: Any, scored: str, table: str) -> None:
    arguments = ("correlate", scored, "--table", table, "--column", "accuracy", "--resamples", 5)
    shown = nascence_command(*arguments, "--out", "page.html")
    assert shown.code == 0
    assert "30 architectures of nas-bench-201, accuracy of mine.parquet" in shown.out
    for name in ("params", "flops", "trainable-layers", "Kendall", "nDCG", "page.html"):
        assert name in shown.out
    page = Path("page.html").read_text()
    assert page.count("<svg") == 3
    found = nascence_command(*arguments, "--json")
    assert json.loads(found.out)["rows"][0]["kendall"] == pytest.approx(1)
    assert found.json["count"] == 30
    refused = nascence_command(*arguments, "--out", "page.html")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert Path("page.html").read_text() == page
    assert nascence_command(*arguments, "--out", "page.html", "--overwrite").code == 0


def test_correlate_what_does_not_fit(nascence_command: Any, scored: str, table: str) -> None:
    Path("macro.csv").write_text("architecture,accuracy\n01201201,90.0\n")
    for arguments, said in (
        ((scored, "--table", "macro.csv", "--column", "accuracy"), "no table of the space nas-bench-201"),
        ((scored, "--table", "nonsense", "--column", "accuracy"), "There is no table 'nonsense'"),
        ((scored, "--table", table, "--column", "speed"), "Unknown column"),
        ((table, "--table", table, "--column", "accuracy"), "not written by 'nascence score'"),
        (("absent.parquet", "--table", table, "--column", "accuracy"), "There is no scores file"),
    ):
        failed = nascence_command("correlate", *arguments)
        assert (failed.code, failed.err.count("\n")) == (2, 1)
        assert said in failed.err
