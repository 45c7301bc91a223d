from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nascence.exporting import ExportError, export_onnx

SHAPE = (3, 8, 8)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
TEXT = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def session(path: Path):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def metadata(path: Path) -> dict[str, str]:
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_any_batch_size_with_the_normalisation_inside(make, tmp_path: Path) -> None:
    network, path = make(text=TEXT, stages=2), tmp_path / "deep" / "model.onnx"
    names = ["cat", "<script>", "ü"]
    check = export_onnx(network, path, SHAPE, class_names=names, mean=MEAN, std=STD, architecture=TEXT)
    assert check.max_difference <= 1e-4 * check.output_scale
    assert check.batch_sizes == (1, 2, 7)
    assert [(entry.runtime, entry.threads, entry.batch_size) for entry in check.latencies] == [
        ("ONNX Runtime", 1, 1),
        ("PyTorch", 1, 1),
        ("ONNX Runtime", 0, 1),
        ("PyTorch", 0, 1),
    ]
    assert all(entry.milliseconds > 0 for entry in check.latencies)
    run = session(path)
    for batch in (1, 3, 20):
        images = torch.rand(batch, *SHAPE)
        with torch.no_grad():
            expected = network((images - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1))
        (got,) = run.run(["logits"], {"images": images.numpy()})
        assert got.dtype == np.float32
        assert batch == 1 or expected.std(0).max() > 1e-3
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-5)
    told = metadata(path)
    assert json.loads(told["class_names"]) == names
    assert told["architecture"] == TEXT
    assert json.loads(told["normalisation"]) == {"mean": list(MEAN), "std": list(STD), "in_graph": True}
    assert told["input"] == "float32 NCHW, values in [0, 1]"
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]
    shown = check.to_dict()
    assert shown["path"] == "model.onnx"
    assert json.loads(json.dumps(shown))["latencies"][0]["runtime"] == "ONNX Runtime"
    assert "batch of 1, 1 thread" in str(check)


def test_normalised_input_on_request(make, tmp_path: Path) -> None:
    network, path = make(text=TEXT, stages=1), tmp_path / "model.onnx"
    check = export_onnx(
        network, path, SHAPE, mean=MEAN, std=STD, include_normalisation=False, measure_latency=False, batch_sizes=(1, 4)
    )
    assert check.latencies == ()
    images = torch.randn(4, *SHAPE)
    (got,) = session(path).run(None, {"images": images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(got, network(images).numpy(), rtol=1e-4, atol=1e-5)
    told = metadata(path)
    assert json.loads(told["normalisation"])["in_graph"] is False
    assert told["input"] == "float32 NCHW, normalised"
    assert "class_names" not in told


def test_a_network_that_gives_nonsense_is_refused_and_the_old_file_stays(make, tmp_path: Path) -> None:
    network, path = make(text=TEXT, stages=1), tmp_path / "model.onnx"
    path.write_text("the old one")
    with torch.no_grad():
        network.get_submodule("classifier").weight.fill_(float("nan"))
    with pytest.raises(ExportError, match="not finite"):
        export_onnx(network, path, SHAPE)
    assert path.read_text() == "the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_wrong_arguments_are_refused_before_any_work(make, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="both 'mean' and 'std'"):
        export_onnx(make(), tmp_path / "model.onnx", SHAPE, std=STD)
    with pytest.raises(ExportError, match="input shape"):
        export_onnx(make(), tmp_path / "model.onnx", (3, 8))
    assert list(tmp_path.iterdir()) == []
