from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import nascence
from nascence.errors import RunError, UnknownNameError
from nascence.runs import RunDirectory


@pytest.fixture
def run(search_toy: Any) -> RunDirectory:
    result = search_toy()
    nascence.train(result.run.path, epochs=1, progress=False)
    return result.run


def test_both_formats_of_a_trained_run(run: RunDirectory, tmp_path: Path) -> None:
    for format, name in (("onnx", "model.onnx"), ("python", "model.py")):
        check = nascence.export(run.path, format)
        assert check.path == run.path / name
        assert check.path.is_file()
        assert check.max_difference <= 1e-4
    assert list(run.read_json("exports.json")) == ["onnx", "python"]
    assert nascence.load_model(run.path)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_an_existing_file_elsewhere_is_kept(run: RunDirectory, tmp_path: Path) -> None:
    out = tmp_path / "net.py"
    out.write_text("mine")
    with pytest.raises(RunError, match="--overwrite"):
        nascence.export(run, "python", out)
    assert out.read_text() == "mine"
    nascence.export(run, "python", out, overwrite=True)
    assert "class Network" in out.read_text()
    assert not run.has("exports.json")


def test_mistakes(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'onnx'"):
        nascence.export(run, "onx")
    (run.path / "model.pt").unlink()
    with pytest.raises(RunError, match="nascence train"):
        nascence.export(run)
