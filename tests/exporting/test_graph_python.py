"""Graph networks as one file each: every aggregator, every fusion, with what a size may have."""

import pytest
import torch

from nascence.exporting import ExportError, export_graph_python
from nascence.exporting.python import import_file
from nascence.operations.graphs import AGGREGATORS
from nascence.spaces import get_space
from nascence.spaces.sane import GraphSize
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

TASK = toy_graph_task()
SPACE = get_space("sane-2")


def build(text, **options):
    size = GraphSize(channels=16, **options)
    return SPACE.build(SPACE.parse(text), network=size, signature=TASK.signature, seed=1).eval()


def export(model, path):
    return export_graph_python(model, path, TASK.signature, described=TASK.describe(), architecture="a")


@pytest.mark.parametrize("name", AGGREGATORS.names())
def test_every_aggregator(tmp_path, name):
    model = build(f"{name},sage_sum|skip|l_concat")
    check = export(model, tmp_path / "net.py")
    assert check.max_difference < 1e-6
    text = (tmp_path / "net.py").read_text()
    assert "import nascence" not in text
    assert "from nascence" not in text
    assert ("torch_geometric" in text) == (name in ("sage", "gcn", "gin", "gat", "geniepath"))


@pytest.mark.parametrize("fusion", ["l_concat", "l_max", "l_lstm"])
@pytest.mark.parametrize("options", [{}, {"linear": True, "norm": True, "residual": True, "activation": "relu"}])
def test_every_fusion_and_size(tmp_path, fusion, options):
    model = build(f"sage_max,gat_cos|none|{fusion}", **options)
    export(model, tmp_path / "net.py")
    module = import_file(tmp_path / "net.py")
    shares = module.predict(module.load(), *TASK.whole)
    torch.testing.assert_close(shares, model(*TASK.whole).softmax(1).detach())
    assert list(TASK.class_names) == module.CLASS_NAMES


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ExportError, match="no name of a Python file"):
        export(build("gcn,gcn|skip|l_max"), tmp_path / "my net.py")
    toy = toy_graph_space()
    other = toy.build(next(toy.enumerate()), signature=TASK.signature)
    with pytest.raises(ExportError, match="leave --format out"):
        export(other, tmp_path / "net.py")
    assert not list(tmp_path.iterdir())
