"""Nothing is made on the wrong device: searches of every family, all scores and a training, on a device that refuses
what is misplaced; and mistakes that are planted are found."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import nascence
from nascence.scores import SCORES

HERE = Path(__file__).parent
SEARCHES = (
    "darts-second-order",
    "gdas",
    "pc-darts",
    "drnas-anchor",
    "sane",
    "dots",
    "explicit-topology",
    "msg-das",
    "daas",
    "ness",
    "e2rnas-pgd-first-order",
    "te-nas-regions",
    "nasi-agnostic",
    "rank-whole",
    "evolution-scores",
    "evolution-training",
    "evolution-supernet",
    "eg-nas",
)

STEPS = ("darts", "gdas", "msg-das", "drnas on darts", "dmasking", "graph", "pictures")
"""Of which it is counted how often they would wait for a GPU."""


@cache
def told():
    source = str(Path(nascence.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "pretended_cases.py"), ",".join(SEARCHES)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "case",
    [
        "planted",
        "training",
        "use",
        "steps of a training",
        *(f"steps of {name}" for name in STEPS),
        *(f"search {name}" for name in SEARCHES),
        *(f"score {name}" for name in SCORES.names()),
    ],
)
def test_nothing_is_misplaced(case):
    assert not told()[case], told()[case]
