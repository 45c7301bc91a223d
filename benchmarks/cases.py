"""Tries many made-up pictures, folders, tables and damaged runs by the property tests, and counts them.

    python benchmarks/cases.py [--cases 2500] [--damaged 300]

``--cases``: of each of the quick properties (pictures' modes and depths, EXIF, folder trees, parquet schemas);
``--damaged``: of each that runs whole commands on damaged runs, scores and tables, about half a second each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUICK = ("tests/tasks/test_picture.py", "tests/tasks/test_listing.py", "tests/tasks/test_parquet.py")
DAMAGED = ("tests/test_damaged_runs.py", "tests/benchmarks/test_damaged_files.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2500)
    parser.add_argument("--damaged", type=int, default=300)
    given = parser.parse_args()
    failed, total = False, 0
    for cases, files, names in (
        (given.cases, QUICK, "any_"),
        (given.damaged, DAMAGED, "test_damaged_bytes or test_values_of_another_kind or test_any_text"),
    ):
        code, count = tried(cases, files, names)
        failed, total = failed or code != 0, total + count
    print(f"{total:,} cases{', not all of them as they should be' if failed else ', all as they should be'}")
    return 1 if failed or not total else 0


def tried(cases: int, files: tuple[str, ...], names: str) -> tuple[int, int]:
    """The exit code of pytest, and how many cases its tests tried."""
    environment = {**os.environ, "NASCENCE_CASES": str(cases), "OMP_NUM_THREADS": "1"}
    options = ["-n", "0", "--timeout", "0", "--hypothesis-show-statistics", "-k", names]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    counts = [int(count) for count in re.findall(r"- (\d+) passing", done.stdout)]
    told = re.findall(r"^(tests/\S+::\S+?):?$", done.stdout, re.MULTILINE)
    print("\n".join(told), f"\n{sum(counts):,} cases, {done.stdout.rstrip().splitlines()[-1]}", flush=True)
    if done.returncode != 0:
        print(done.stdout)
    return done.returncode, sum(counts)


if __name__ == "__main__":
    sys.exit(main())
