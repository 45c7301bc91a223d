"""The hypervolume that NSGA-II and random search reach on the table of NAS-Bench-Macro, against its true front.

    python benchmarks/nsga2_hypervolume.py [--seeds 15] [--generations 5,10,17] [--out hypervolume.json]

Objectives: 100 - mean accuracy, and parameters; reference point: error 20, 1.01 x the most parameters. Random search
draws as many architectures as NSGA-II evaluates. Both read the benchmark: this tests the optimiser, it finds nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nascence.architecture import Architecture
from nascence.benchmarks import Summary, Table, load_table
from nascence.costs import Budget
from nascence.seeding import generator
from nascence.strategies import Criterion
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.pareto import hypervolume, non_dominated
from nascence.tasks import find_data_dir

POPULATION = 20
OBJECTIVES = (Criterion("error", "%", "100 - mean accuracy of the table"), Criterion("params", "parameters", "counted"))


class Bench:
    """The table's values, and hypervolumes as a part of the true front's."""

    def __init__(self, table: Table) -> None:
        self.space = table.space
        self.values = dict(
            zip(
                table.architectures(),
                zip(100 - table.column("test_acc"), table.column("params"), strict=True),
                strict=True,
            )
        )
        everything = np.array(list(self.values.values()))
        self.reference = (20.0, 1.01 * everything[:, 1].max())
        self.front = everything[non_dominated(everything)]
        self.whole = hypervolume(self.front, self.reference)

    def ratio(self, architectures: Sequence[Architecture]) -> float:
        return hypervolume(np.array([self.values[one] for one in architectures]), self.reference) / self.whole

    def nsga2(self, seed: int, generations: int) -> tuple[float, int]:
        """(ratio, evaluations)."""
        strategy = NSGA2(
            self.space,
            lambda found: [self.values[one] for one in found],
            OBJECTIVES,
            budget=Budget().bind(self.space, self.space.networks["evaluation"]),
            population=POPULATION,
            generations=generations,
            spread=lambda one: self.values[one][1],
            at_once=POPULATION,
            seed=seed,
        )
        while not strategy.done:
            strategy.advance()
        return self.ratio(strategy.front().architectures), len(strategy.archive)

    def random(self, seed: int, count: int) -> float:
        draws = generator(seed, "random search")
        return self.ratio([self.space.sample(draws) for _ in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--generations", default="5,10,17")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bench = Bench(load_table("nas-bench-macro", find_data_dir(None)))
    print(f"true front: {len(bench.front)} of {len(bench.values):,} networks")
    rows: list[dict[str, Any]] = []
    for generations in map(int, options.generations.split(",")):
        found = [bench.nsga2(seed, generations) for seed in range(options.seeds)]
        evaluations = max(count for _, count in found)
        ours = Summary.of([ratio for ratio, _ in found])
        random = Summary.of([bench.random(seed, evaluations) for seed in range(options.seeds)])
        rows.append({"evaluations": evaluations, "nsga2": vars(ours), "random": vars(random)})
        print(
            f"{evaluations} evaluations, {options.seeds} seeds: NSGA-II {ours.mean:.4f} +- {ours.std or 0:.4f} "
            f"(worst {ours.min:.4f}), random search {random.mean:.4f} +- {random.std or 0:.4f}"
        )
    if options.out is not None:
        options.out.write_text(json.dumps({"front": len(bench.front), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
