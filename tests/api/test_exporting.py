from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import nascence
from nascence.api.exporting import formats
from nascence.errors import RunError, UnknownNameError
from nascence.exporting.check import UNTRAINED
from nascence.runs import RunDirectory
from nascence.training import Training


def stop() -> None:
    raise RuntimeError("enough")


@pytest.fixture
def run(search_toy: Any) -> RunDirectory:
    result = search_toy()
    nascence.train(result.run.path, epochs=1, progress=False)
    return result.run


def test_both_formats_of_a_trained_run(run: RunDirectory, tmp_path: Path) -> None:
    assert formats(run) == ("onnx", "python")
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


def test_the_untrained_network_is_what_the_training_begins_with(
    search_toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = search_toy(seed=3)
    check = nascence.export(result.run, "python", untrained=True)
    assert check.path == result.run.path / "untrained_model.py"
    assert not check.trained
    assert UNTRAINED in str(check)
    assert UNTRAINED in check.path.read_text()
    assert not result.run.has("exports.json")
    written = torch.load(result.run.path / "untrained_model_weights.pt", weights_only=True)
    begun = []
    monkeypatch.setattr(Training, "advance", lambda self: begun.append(self.model.state_dict()) or stop())
    with pytest.raises(RuntimeError, match="enough"):
        nascence.train(result.run, epochs=1, progress=False)
    assert {name: begun[0][name] for name in written}.keys() == written.keys()
    assert all(torch.equal(begun[0][name], tensor) for name, tensor in written.items())


def test_an_untrained_export_leaves_the_trained_one_alone(run: RunDirectory, tmp_path: Path) -> None:
    nascence.export(run, "onnx")
    kept, recorded = (run.path / "model.onnx").read_bytes(), run.read_json("exports.json")
    check = nascence.export(run, "onnx", untrained=True)
    assert check.path == run.path / "untrained_model.onnx"
    assert {entry.key: entry.value for entry in onnx.load(check.path).metadata_props}["weights"] == UNTRAINED
    assert {entry.key: entry.value for entry in onnx.load_from_string(kept).metadata_props}["weights"] == "trained"
    assert (run.path / "model.onnx").read_bytes() == kept
    assert run.read_json("exports.json") == recorded
    assert recorded["onnx"]["trained"] is True
    with pytest.raises(RunError, match="--overwrite"):
        nascence.export(run, "onnx", check.path, untrained=True)
    (run.path / "architecture.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        nascence.export(run, "onnx", untrained=True)


def test_mistakes(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'onnx'"):
        nascence.export(run, "onx")
    (run.path / "model.pt").unlink()
    with pytest.raises(RunError, match="nascence train"):
        nascence.export(run)
