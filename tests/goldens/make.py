"""Record goldens anew, after a change that is meant to change numbers (a commit of its own, which says why)::

    PYTHONPATH=src OMP_NUM_THREADS=1 python tests/goldens/make.py [CASE ...]

Without names, all. It says of each how it differs from what was kept. All goldens are of one processor: on another one
than they were made on, only all can be recorded together.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from golden_cases import CASES
from golden_records import ARITHMETIC, FOLDER, arithmetic, differences, read, record, written

from nascence.reading import read_json


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"There is no case '{unknown[0]}'; there are: {', '.join(CASES)}.")
    torch.set_num_threads(1)
    own = arithmetic()
    if names and ARITHMETIC.is_file() and read_json(ARITHMETIC) != own:
        sys.exit(f"The goldens were made with another arithmetic than {own}; record all of them, without names.")
    FOLDER.mkdir(exist_ok=True)
    for name in names or CASES:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            now = record(name, Path(folder))
        seconds = time.perf_counter() - began
        if (FOLDER / f"{name}.json").is_file():
            found = differences(read(name), now, 0.0)
            told = f"{len(found)} differences, such as: {found[0]}" if found else "as before"
        else:
            told = "new"
        (FOLDER / f"{name}.json").write_text(written(now))
        print(f"{name:30} {seconds:5.2f} s  {told}", flush=True)
    ARITHMETIC.write_text(json.dumps(own, indent=2) + "\n")
    for path in FOLDER.glob("*.json"):
        if path.stem not in CASES and path != ARITHMETIC:
            print(f"{path.name} belongs to no case any more; delete it.")


if __name__ == "__main__":
    main(sys.argv[1:])
