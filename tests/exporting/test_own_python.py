"""Graphs with their layers side by side."""

import torch
from torch import fx, nn

from nascence.exporting import export_python, flattened


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), nn.Conv2d(4, 4, 3))
        self.last = nn.Linear(4, 10)

    def forward(self, x):
        return self.last(self.stages(x).mean(dim=(2, 3)))


def test_names_become_one_and_weights_stay():
    network = fx.GraphModule(Nested().eval(), fx.Tracer().trace(Nested()))
    flat = flattened(network)
    assert {name for name, _ in flat.named_children()} >= {"stages_0_0", "stages_1", "last"}
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(flat(images), network(images))


def test_numbers_are_no_names_of_attributes():
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    flat = flattened(fx.GraphModule(network, fx.Tracer().trace(network)))
    assert {name for name, _ in flat.named_children()} == {"layer_0", "layer_1"}


def test_other_networks_are_left_alone():
    network = Nested()
    assert flattened(network) is network


def test_the_file_computes_the_same(tmp_path):
    network = fx.GraphModule(Nested().eval(), fx.Tracer().trace(Nested())).eval()
    check = export_python(flattened(network), tmp_path / "net.py", (1, 8, 8))
    assert check.max_difference < 1e-5
    assert "nascence" not in [
        line.split()[1]
        for line in (tmp_path / "net.py").read_text().splitlines()
        if line.startswith(("import", "from"))
    ]
