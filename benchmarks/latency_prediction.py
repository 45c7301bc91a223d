"""How well latencies of nas-bench-201 are predicted from so many measured cells, for the devices of the table.

    python benchmarks/latency_prediction.py [--cells 100,500,2000] [--seeds 3]

Mean relative error in percent / Spearman's correlation, on 5,000 cells that no prediction was fitted on: of the learned
latency (:class:`nascence.costs.latency_regressor.LatencyRegressor`), and of its sum over operations alone. Cells of
less than half a millisecond do not count in the relative error. Needs ``NASCENCE_DATA``; two minutes of one core.
"""

from __future__ import annotations

import argparse
import statistics

import torch

from nascence.benchmarks.tables import load_table
from nascence.costs.latency_regressor import LatencyRegressor, PredictionError, code
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.cells import cell_space
from nascence.tasks import find_data_dir

DEVICES = ("1080ti_1", "1080ti_256", "gold_6226", "pixel3", "eyeriss")
HELD_OUT = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="100,500,2000")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    counts = [int(text) for text in given.cells.split(",")]
    space = cell_space(get_space("nas-bench-201"), "This study")
    table = load_table("nas-bench-201", find_data_dir(None))
    cells = table.architectures()
    torch.set_num_threads(1)
    print("| device | " + " | ".join(f"{count:,} cells" for count in counts) + " | the sum alone |")
    print("|---" * (len(counts) + 2) + "|")
    for device in DEVICES:
        values = torch.from_numpy(table.column(f"latency_ms_{device}").copy())
        row, sums = [], []
        for count in counts:
            learned, added = [], []
            for seed in range(given.seeds):
                order = torch.randperm(len(cells), generator=generator(seed, "latency benchmark"))
                judged, fitted = order[:HELD_OUT].tolist(), order[HELD_OUT : HELD_OUT + count].tolist()
                codes = torch.stack([code(space, space.one_hot(cells[at])) for at in judged])
                found = LatencyRegressor.fit(space, [cells[at] for at in fitted], values[fitted], seed=seed)
                learned.append(PredictionError.of(found(codes), values[judged]))
                added.append(PredictionError.of(found.linear(codes), values[judged]))
            row.append(mean_of(learned))
            sums = added
        print(f"| {device} | " + " | ".join(row) + f" | {mean_of(sums)} |", flush=True)


def mean_of(errors: list[PredictionError]) -> str:
    percent = [error.relative_percent or 0.0 for error in errors]
    rank = statistics.fmean(error.spearman or 0.0 for error in errors)
    return f"{statistics.fmean(percent):.2f} +- {statistics.pstdev(percent):.2f} / {rank:.3f}"


if __name__ == "__main__":
    main()
