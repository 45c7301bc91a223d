"""Cells of nas-bench-201 that searches found, judged by the table of their accuracy under attack (Jung et al., ICLR
2023), which no search has seen, beside cells of as many parameters.

    PYTHONPATH=src python benchmarks/robust_cells.py --table TABLES/nas-bench-201-robustness.parquet RUN...

Per run, the mean of all distinct cells whose parameters differ by at most a tenth, and the largest cell of at most as
many parameters (of several, their mean). Then, per method, means over its runs and the standard error of the
difference to the cells of as many parameters.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np

from nascence.architecture import Architecture
from nascence.benchmarks import load_table
from nascence.costs import CostModel
from nascence.reading import read_json
from nascence.runs.schemas import ArchitectureFile
from nascence.spaces import get_space

COLUMNS = {
    "clean": "cifar10_clean",
    "PGD 1": "cifar10_pgd_eps_1.0_255",
    "PGD 8": "cifar10_pgd_eps_8.0_255",
    "APGD 1": "cifar10_aa_apgd_ce_eps_1.0_255",
}


def row(title: str, params: float, values: list[float]) -> None:
    print(f"{title:34} {params:10,.0f} " + " ".join(f"{value:7.2f}" for value in values), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("runs", type=Path, nargs="+")
    given = parser.parse_args()
    space = get_space("nas-bench-201")
    table = load_table(given.table, space=space.name)
    model = CostModel(space, space.networks["evaluation"])
    architectures = table.architectures()
    distinct = table.column("isomorph_of") == np.arange(len(architectures))
    params = np.array([model.params(each) for each in architectures], dtype=float)
    values = np.stack([table.column(name) for name in COLUMNS.values()], axis=1)
    print(f"{'':34} {'parameters':>10} " + " ".join(f"{name:>7}" for name in COLUMNS))
    count = int(distinct.sum())
    row(f"all {count:,} distinct cells, mean", float(params[distinct].mean()), list(values[distinct].mean(0)))
    row("largest cell", float(params.max()), list(values[params == params.max()].mean(0)))
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in given.runs:
        record = read_json(path / "architecture.json", ArchitectureFile)
        architecture = Architecture.load(path / "architecture.json")
        own, count = values[architectures.index(architecture)], model.params(architecture)
        near = distinct & (abs(params - count) <= 0.1 * count)
        within = distinct & (params == params[distinct & (params <= count)].max())
        row(f"{record['method']}, seed {record['seed']}", count, list(own))
        row(f"  {int(near.sum())} cells of as many", float(params[near].mean()), list(values[near].mean(0)))
        row("  largest of at most as many", float(params[within].mean()), list(values[within].mean(0)))
        print(f"  {architecture}")
        found.setdefault(str(record["method"]), []).append((own, values[near].mean(0)))
    for method, pairs in found.items():
        for at, name in enumerate(COLUMNS):
            own_values, beside = [pair[0][at] for pair in pairs], [pair[0][at] - pair[1][at] for pair in pairs]
            error = statistics.stdev(beside) / len(pairs) ** 0.5 if len(pairs) > 1 else float("nan")
            spread = statistics.stdev(own_values) if len(pairs) > 1 else float("nan")
            print(
                f"{method:8} {name:7} {statistics.mean(own_values):6.2f} +- {spread:5.2f} over {len(pairs)} runs, "
                f"above cells of as many parameters by {statistics.mean(beside):6.2f}, standard error {error:5.2f}"
            )


if __name__ == "__main__":
    main()
