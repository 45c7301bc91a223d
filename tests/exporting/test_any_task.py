"""ONNX of pictures and graphs of any size."""

import json

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from nascence.exporting import ExportError, export_any_onnx
from nascence.tasks.base import Signature
from nascence.testing import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task


def test_a_denoiser_keeps_height_and_width_free(tmp_path):
    task, space = ToyDenoising.make(), toy_denoiser_space()
    model = space.build(space.parse("conv3x3,conv1x1,0,full,2"), signature=task.signature).eval()
    path = tmp_path / "to" / "a.onnx"
    check = export_any_onnx(model, path, task.signature, described=task.describe(), architecture="some")
    assert check.max_difference < 1e-4
    picture = torch.rand(1, 1, 37, 51)
    (restored,) = onnxruntime.InferenceSession(path).run(None, {"picture": picture.numpy()})
    torch.testing.assert_close(torch.from_numpy(restored), model(picture).detach(), rtol=1e-3, atol=1e-5)
    told = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(told["task"])["kind"] == "toy-denoising"
    assert told["architecture"] == "some"
    assert told["weights"] == "trained"


def test_a_graph_network_keeps_nodes_and_edges_free(tmp_path):
    task, space = toy_graph_task(), toy_graph_space()
    model = space.build(space.parse("mean,sum,both"), signature=task.signature).eval()
    path = tmp_path / "a.onnx"
    export_any_onnx(model, path, task.signature, described={"kind": "x"}, trained=False)
    x, edges = task.whole
    (logits,) = onnxruntime.InferenceSession(path).run(None, {"features": x.numpy(), "edges": edges.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits), model(x, edges).detach(), rtol=1e-3, atol=1e-5)
    told = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert "untrained" in told["weights"].lower() or "not trained" in told["weights"].lower()


class Chance(nn.Module):
    """Says something else every time."""

    def forward(self, x_BCHW):
        return x_BCHW + torch.rand_like(x_BCHW)


def test_a_file_that_computes_something_else_is_not_written(tmp_path):
    with pytest.raises(ExportError):
        export_any_onnx(Chance(), tmp_path / "a.onnx", Signature("images", 1, 1, (8, 8), dense=True), described={})
    assert not (tmp_path / "a.onnx").exists()
