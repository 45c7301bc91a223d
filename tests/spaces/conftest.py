"""The published tables, and a count of what networks cost."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def table():
    """A function from a table's name to its columns as lists; skips where the data is absent."""
    folder = Path(os.environ.get("NASCENCE_DATA") or REPOSITORY.parent / "shared" / "data") / "tables"

    def read(name):
        path = folder / f"{name}.parquet"
        if not path.exists():
            pytest.skip(f"needs the table {name}.parquet under NASCENCE_DATA or ../shared/data")
        parquet = pytest.importorskip("pyarrow.parquet")
        return parquet.read_table(path).to_pydict()

    return read


@pytest.fixture
def costs():
    """A function from a network to (parameters, MACs of its convolutions and linear layers on one 32 x 32 image)."""

    def count(network):
        macs = []
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(lambda m, args, out: macs.append(out.numel() * m.weight[0].numel()))
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, 32, 32))
        return sum(parameter.numel() for parameter in network.parameters()), sum(macs)

    return count
