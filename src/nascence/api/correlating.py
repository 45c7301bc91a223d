"""Correlate: how well scores rank architectures that a table knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nascence.configuration import at_most

if TYPE_CHECKING:
    from nascence.benchmarks.judging import Judgement


def correlate(
    scores: str | Path,
    table: str | Path,
    column: str,
    *,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    seed: int = 0,
    resamples: int = 200,
) -> Judgement:
    """Judge the scores file ``scores`` by a ``column`` of ``table``: a name below ``<data_dir>/tables``, or a parquet
    or CSV file with a column ``architecture``. ``out``: an HTML page to write.

    Raises :class:`nascence.errors.NascenceError`; a page that exists is replaced only with ``overwrite``.
    """
    at_most(100_000, resamples=resamples)
    from nascence.benchmarks.judging import judge_scores
    from nascence.benchmarks.scores_file import read_scores
    from nascence.benchmarks.tables import TABLES, load_table
    from nascence.reporting.correlation_page import correlation_page
    from nascence.tasks import find_data_dir
    from nascence.writing import check_out, explained, write_bytes

    out = None if out is None else Path(out)
    if out is not None:
        check_out(out, overwrite)
    found = read_scores(scores)
    space = None if str(table) in TABLES else found.space
    judgement = judge_scores(
        found, load_table(table, find_data_dir(data_dir), space=space), column, seed=seed, resamples=resamples
    )
    if out is not None:
        with explained(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(out, correlation_page(judgement).encode())
    return judgement


__all__ = ["correlate"]
