from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nascence

SCRIPT = """
import torch
from torch import nn
from nascence.exporting import export_onnx
from nascence.libraries import import_dynamo

import_dynamo()
torch.optim.SGD(nn.Linear(2, 2).parameters())
network = nn.Sequential(nn.Flatten(), nn.Linear(27, 2))
export_onnx(network, "model.onnx", (3, 3, 3), measure_latency=False)
"""


def test_nothing_is_left_in_the_folders_of_the_machine(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "work")}
    for folder in folders.values():
        folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("TORCHINDUCTOR_CACHE_DIR", "CI")}
    environment = {**kept, **{name: str(folder) for name, folder in folders.items()}}
    environment["PYTHONPATH"] = str(Path(nascence.__file__).parents[1])
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=folders["work"], env=environment, check=True)
    left = [path for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME") for path in folders[name].rglob("*")]
    assert left == []
    assert [path.name for path in folders["work"].iterdir()] == ["model.onnx"]


def test_every_optimizer_is_made_without_the_compiler_s_folder() -> None:
    """Making one imports the compiler, which makes its folder unless told otherwise."""
    root = Path(nascence.__file__).parent
    makes = re.compile(r"torch\.optim\.(SGD|Adam|AdamW|Adagrad|RMSprop)\(")
    made = [path for path in root.rglob("*.py") if makes.search(path.read_text(encoding="utf-8"))]
    assert made
    assert [path.name for path in made if "import_dynamo()" not in path.read_text(encoding="utf-8")] == []
