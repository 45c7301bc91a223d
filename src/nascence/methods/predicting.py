"""Latencies to search by: learned from measured networks, or added up from parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nascence.costs.latency_regressor import LatencyPredictor, LatencyRegressor, SummedLatency
from nascence.costs.latency_samples import measured_on
from nascence.errors import DataError, UnknownNameError
from nascence.methods.base import Problem
from nascence.spaces import CellSpace

if TYPE_CHECKING:
    from nascence.benchmarks.tables import Table

MEASURED = "latency_ms"
"""The column of a file that ``nascence measure --networks`` wrote."""


def latency_predictor(
    problem: Problem, space: CellSpace, latencies: str, column: str, *, mixtures: bool = False
) -> LatencyPredictor:
    """From the ``column`` of the table ``latencies`` (a file, or the name of a benchmark's table), or, where that is
    empty, the sum over parts that the budget's model measures or looks up.

    Raises :class:`DataError` when the table's architectures are not of the space, or it says that they were measured as
    networks of another size, and :class:`UnknownNameError` when it has no such column, or one that is no latency.
    """
    from nascence.benchmarks.tables import load_table

    if not latencies:
        return SummedLatency(problem.budget.model, space, problem.seed)
    table = load_table(latencies, problem.data_dir, space=space.name)
    known = [name for name in table.columns if name.startswith("latency")]  # any other would be the answer itself
    if column not in known:
        raise UnknownNameError(f"latency in {table.source.name}", column, known)
    values = table.column(column)
    if column == MEASURED:
        _compare(table, problem)
        if "reference_ms" in table.columns:  # how fast the machine was at that moment
            reference = table.column("reference_ms")
            values = values * np.median(reference) / reference
    return LatencyRegressor.fit(space, table.architectures(), values, mixtures=mixtures, seed=problem.seed)


def _compare(table: Table, problem: Problem) -> None:
    own = measured_on(problem.network, problem.task.signature)
    for name in [name for name in own if name in table.columns]:
        other = table.column(name)[table.column(name) != own[name]]
        if len(other):
            raise DataError(
                f"{table.source.name} was measured with {name}={other[0]:g}, and the network of this search has "
                f"{own[name]}; measure again with: nascence measure --networks N --out FILE.csv"
            )


__all__ = ["MEASURED", "latency_predictor"]
