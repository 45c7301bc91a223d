"""A scores file held against a table of accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.benchmarks.baselines import BASELINES, baselines
from nascence.benchmarks.correlation import RESAMPLES, judge, oriented
from nascence.benchmarks.scores_file import ScoreTable
from nascence.benchmarks.tables import Table
from nascence.errors import ArchitectureError, DataError, SettingError
from nascence.scores import AGGREGATES
from nascence.tasks.base import Signature

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Judgement:
    """``rows``: what :func:`nascence.benchmarks.correlation.judge` says of every score, aggregate and baseline.

    ``values``: by name [N], larger is better; ``truth``: [N]. ``left_out``: architectures that were scored but have
    no number in the table.
    """

    table: str
    column: str
    space: str
    count: int
    left_out: int
    settings: Mapping[str, Any]
    rows: list[dict[str, Any]]
    truth: Floats
    values: dict[str, Floats]

    def to_json(self) -> dict[str, Any]:
        names = ("table", "column", "space", "count", "left_out", "rows")
        return {**{name: getattr(self, name) for name in names}, "settings": dict(self.settings)}


def judge_scores(
    scores: ScoreTable, table: Table, column: str, *, seed: int = 0, resamples: int = RESAMPLES
) -> Judgement:
    """Judge every score of a file by a column of a table, with the aggregates whose parts are there, and beside them
    the sizes of :data:`BASELINES`, computed where the file lacks them.

    Aggregates rank within all architectures of the file. Raises :class:`DataError` when the table is of another space
    or has fewer than three of the architectures, and :class:`nascence.errors.UnknownNameError` for the column.
    """
    space = table.space
    if space.name != scores.space:
        raise DataError(
            f"The table {table.source.name} is about {space.name}, but the scores are of {scores.space}; name a table "
            "of that space."
        )
    if resamples < 1:
        raise SettingError(f"The number of resamples must be at least 1, got {resamples}.")
    numbers = table.column(column)
    row_of = {architecture: row for row, architecture in enumerate(table.architectures())}
    try:
        architectures = [space.parse(text) for text in scores.architectures]
    except ArchitectureError as error:
        raise DataError(f"The scores file is damaged: {error}") from None
    there = np.array([one in row_of and bool(np.isfinite(numbers[row_of[one]])) for one in architectures], dtype=bool)
    if there.sum() < 3:
        raise DataError(
            f"{table.source.name} has a {column} for {there.sum()} of the {len(there):,} scored architectures; at "
            "least three are needed."
        )
    columns, draws = _columns(scores, architectures)
    kept = {name: (values[there], larger) for name, (values, larger) in columns.items()}
    truth = np.array([numbers[row_of[one]] for one, found in zip(architectures, there, strict=True) if found])
    drawn = {name: values[:, there] for name, values in draws.items()}
    rows = judge(kept, truth, params=kept["params"][0], draws=drawn, seed=seed, resamples=resamples)
    return Judgement(
        table=table.source.name,
        column=column,
        space=space.name,
        count=len(truth),
        left_out=int((~there).sum()),
        settings=scores.settings,
        rows=rows,
        truth=truth,
        values={name: oriented(values, larger) for name, (values, larger) in kept.items()},
    )


def _columns(
    scores: ScoreTable, architectures: list[Architecture]
) -> tuple[dict[str, tuple[Floats, bool]], dict[str, Floats]]:
    """Values [N] and direction by name: the file's scores, sizes that it lacks, aggregates that they make possible; and
    of those that have several draws, the values [D, N] at each."""
    from nascence.spaces import get_space

    columns = {name: (scores.columns[name], scores.larger_is_better(name)) for name in scores.scores}
    absent = [name for name in BASELINES if name not in columns]
    data = scores.settings["data"]
    signature = Signature.images(tuple(data["shape"]), data["classes"])
    found = baselines(get_space(scores.space), architectures, absent, signature)
    columns |= {name: (values, True) for name, values in found.items()}
    draws = {
        name: scores.draws(name) if name in scores.scores else values[None] for name, (values, _) in columns.items()
    }
    several = {name: values for name, values in draws.items() if len(values) > 1}
    for name in AGGREGATES.names():
        aggregate = AGGREGATES.get(name)
        parts = {part.score for part in aggregate.parts}
        if not parts <= draws.keys():
            continue
        title = f"{name} (ranks)" if name in columns else name
        columns[title] = (np.asarray(aggregate(draws)), True)
        count = max(len(draws[part]) for part in parts)
        if count > 1:
            one = [
                aggregate({part: draws[part][min(at, len(draws[part]) - 1)] for part in parts}) for at in range(count)
            ]
            several[title] = np.asarray(one)
    return columns, several


__all__ = ["Judgement", "judge_scores"]
