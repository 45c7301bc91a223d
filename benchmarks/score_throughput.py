"""How many architectures a second ``nascence score`` gets through: by number of workers, and milliseconds by score.

    python benchmarks/score_throughput.py [--space nas-bench-201] [--data digits] [--scores a,b] [--count 200]
        [--workers 1,2,4] [--out throughput.json]

Rates are of steady work: the time until the workers have started and loaded the data is left out, and shown.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import ScoreStream
from nascence.engine.pool import Inline, LocalProcesses
from nascence.scores import SCORES
from nascence.spaces import get_space
from nascence.tasks import find_data_dir, load_task

HANDED_OUT_AT_START = 4
"""Results of each worker that count as warming up."""


class Clock:
    """Notes when each result came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def begin(self, total: int, done: int) -> None:
        self.began = time.perf_counter()

    def update(self, total: int, done: int, event: Mapping[str, Any]) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        pass

    def rate(self, skipped: int) -> float:
        """Results a second after the first ``skipped``."""
        return (len(self.times) - 1 - skipped) / (self.times[-1] - self.times[skipped])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nas-bench-201")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--scores", help="names, separated by commas [default: all]")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    names = options.scores.split(",") if options.scores else SCORES.names()
    scores = [SCORES.get(name)() for name in names]
    random = [score for score in scores if score.random] or scores
    space = get_space(options.space)
    selection = Selection.sample(space, options.count, 0)
    selection = Selection.given(dict.fromkeys(space.canonical(one) for one in selection.architectures))
    load = partial(load_task, options.data, find_data_dir())
    task = load()

    def measure(chosen: list[Any], executor: Any, chosen_selection: Selection, skipped: int) -> Clock:
        clock = Clock()
        stream = ScoreStream(space=space, selection=chosen_selection, scores=chosen, load=load)
        stream.run(executor, progress=clock, task=task)
        assert len(clock.times) > skipped + 1, "too few architectures to measure"
        return clock

    few = Selection.given(selection.architectures[: max(20, options.count // 10)])
    print(f"{space.name}, {task.name}, {len(selection.architectures)} architectures, {os.cpu_count()} CPUs\n")
    print("| score | ms an architecture, alone, one thread |\n|---|---|")
    milliseconds = {}
    for score in scores:
        milliseconds[score.name] = 1000 / measure([score], Inline(), few, 2).rate(2)
        print(f"| {score.name} | {milliseconds[score.name]:.2f} |", flush=True)
    milliseconds["together"] = 1000 / measure(random, Inline(), few, 2).rate(2)
    print(f"| all that are random, in one pass | {milliseconds['together']:.2f} |\n")

    print("| workers | architectures/s | efficiency | start, s |\n|---|---|---|---|")
    rows: list[dict[str, float]] = []
    for workers in map(int, options.workers.split(",")):
        skipped = HANDED_OUT_AT_START * workers
        clock = measure(random, LocalProcesses(workers), selection, skipped)
        rate = clock.rate(skipped)
        alone = rows[0]["rate"] / rows[0]["workers"] if rows else rate / workers
        rows.append({"workers": workers, "rate": rate, "efficiency": rate / workers / alone})
        start = clock.times[0] - clock.began
        print(f"| {workers} | {rate:.2f} | {rows[-1]['efficiency']:.0%} | {start:.1f} |", flush=True)
    if options.out:
        result = {"space": space.name, "data": task.name, "milliseconds": milliseconds, "scaling": rows}
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
