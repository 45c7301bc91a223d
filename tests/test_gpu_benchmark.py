"""The script for a GPU runs on the CPU, too, and says what is missing where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nascence.reading import read_json

ROOT = Path(__file__).parents[1]


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_every_row_comes_to_its_end_on_the_cpu(tmp_path):
    done = run("--quick", "--device", "cpu", "--json", str(tmp_path / "rows.json"))
    assert done.returncode == 0, done.stderr
    told = read_json(tmp_path / "rows.json")
    assert told["device"].startswith("CPU")
    names = [row["name"] for row in told["rows"]]
    assert names[:3] == ["TE-NAS, a whole search", "NASI, a whole search", "DrNAS, paper preset"]
    assert sum(name.startswith("training") for name in names) == 3  # plain, bf16, channels last
    assert all(row["whole"] and row["seconds"] > 0 and row["amount"] > 0 for row in told["rows"])
    assert all(name in done.stdout for name in names)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = run()
    assert done.returncode == 2
    assert "no GPU that PyTorch can use" in done.stderr
    assert "--quick --device cpu" in done.stderr
    assert "Traceback" not in done.stderr
