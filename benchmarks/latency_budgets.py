"""Is a budget of latency met? Ten searches, and each exported file measured again.

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/latency_budgets.py --out budgets.jsonl
    ... --network resnet20 --method dmasking --data digits --image-size 32 \\
        --set epochs=2 warmup_epochs=1 epoch_images=64 batch_size=32 --out own.jsonl

Budgets lie between the 30th and the 70th percentile of the latencies that ``nascence plan`` predicts of random
networks. Every search measures parts for itself, on one thread. ``random`` takes any network within the budget, mostly
far below it; dmasking fills it with what a network of one's own has left, which is the harder test.

What was found is exported, and the file is run by ONNX Runtime: median of 30 passes behind 5 that do not count, a pass
that was interrupted with its processor time. ``file_ms`` is that, as the clock says, ``quiet_ms`` the same scaled to
the quickest that a reference network was ever seen, as budgets are (docs/budgets.md). One line of JSON for every
search, added to ``--out``; what is there already is left out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import Rows

import nascence
from nascence.api.exporting import export
from nascence.api.inputs import network_size
from nascence.api.models import OwnModel
from nascence.costs import Budget, survey
from nascence.costs.timing import take_turns
from nascence.exporting.onnx import session
from nascence.spaces import get_space
from nascence.tasks import load_task

NETWORKS = Path(__file__).parents[1] / "examples" / "networks"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--network", help="a file in examples/networks, in place of nas-bench-201")
    parser.add_argument("--method", default="random")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the method, name=value")
    parser.add_argument("--searches", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    task = load_task(given.data, image_size=given.image_size)
    model = None if given.network is None else str(NETWORKS / f"{given.network}.py")
    space = get_space("nas-bench-201") if model is None else OwnModel.given(model).space(task.signature)
    size = network_size(space, task)
    rows = Rows(given.out)
    checker = Budget().bind(space, size, signature=task.signature, threads=1)
    predicted = survey(checker.model, ["latency_ms"]).values["latency_ms"]
    for number, percentile in enumerate(np.linspace(30, 70, given.searches)):
        if rows.has(search=number):
            continue
        budget = float(np.percentile(predicted, percentile))
        with tempfile.TemporaryDirectory() as folder:
            options: dict[str, Any] = {"space": space.name} if model is None else {"model": model}
            found = nascence.search(
                given.method,
                data=given.data,
                image_size=given.image_size,
                seed=number,
                max_latency_ms=budget,
                threads=1,
                out=Path(folder) / "run",
                progress=False,
                settings=given.set,
                **options,
            )
            file = export(found.run, untrained=True).path
            file_ms = measured(file, (1, *task.signature.input_shape))
        quiet = checker.model.networks.measure(found.architecture, shipped=True)
        rows.add(
            search=number,
            space=given.network or space.name,
            method=given.method,
            percentile=round(float(percentile), 1),
            budget_ms=round(budget, 4),
            recorded_ms=round(found.record["latency_ms"], 4),
            quiet_ms=round(quiet.median_ms, 4),
            file_ms=round(file_ms, 4),
            disturbed=quiet.disturbed,
            met=quiet.median_ms <= budget,
            met_by_the_clock=file_ms <= budget,
            architecture=str(found.architecture),
        )
    for name in ("met", "met_by_the_clock"):
        print(f"{name}: {sum(row[name] for row in rows.rows)} of {len(rows.rows)}")


def measured(path: Path, shape: tuple[int, ...]) -> float:
    """The median of 30 passes of the file on one thread, in milliseconds."""
    loaded = session(path.read_bytes(), 1)
    fed = {loaded.get_inputs()[0].name: np.random.default_rng(0).random(shape, dtype=np.float32)}
    (passes,) = take_turns([lambda: loaded.run(None, fed)], repeats=30, warm_up=5, alone=True)
    return statistics.median(passes.ms)


if __name__ == "__main__":
    main()
