"""PyTorch Geometric's Data objects, there and back."""

from types import SimpleNamespace

import pytest
import torch

from nascence.errors import DataError
from nascence.operations.graphs import geometric
from nascence.tasks.graphs.geometric import as_data, node_classification, write_graph
from nascence.tasks.loading import load_task
from nascence.testing.toy_graph import toy_graph_task


def test_there_and_back():
    task = toy_graph_task()
    data = as_data(task)
    assert isinstance(data, geometric().data.Data)
    assert data.num_nodes == 90
    again = node_classification(data, directed=True)
    assert torch.equal(again.graph.edges, task.graph.edges)
    assert torch.equal(again.split.validation, task.split.validation)
    assert again.split.name == "given"


def test_masks_of_many_splits_stand_in_columns():
    data = as_data(toy_graph_task())
    for part in ("train_mask", "val_mask", "test_mask"):
        data[part] = torch.stack([data[part], data[part].roll(3)], dim=1)
    task = node_classification(data, directed=True, split_number=1, name="mine")
    assert task.name == "mine"
    assert task.split.name == "given 1"


def test_without_masks_the_split_is_random():
    data = as_data(toy_graph_task())
    del data.train_mask, data.val_mask, data.test_mask
    assert node_classification(data, seed=7).split.name == "random 60/20/20, seed 7"


def test_anything_with_the_attributes_will_do():
    data = as_data(toy_graph_task())
    plain = SimpleNamespace(x=data.x, y=data.y[:, None], edge_index=data.edge_index)
    task = node_classification(plain)
    assert task.graph.nodes == 90
    assert len(task.remarks) == 1, "edges of one direction are said"


def test_a_file_of_it_is_read_like_any_other(tmp_path):
    data = as_data(toy_graph_task())
    for part in ("train_mask", "val_mask", "test_mask"):
        data[part] = torch.stack([data[part], data[part].roll(3)], dim=1)
    path = write_graph(data, tmp_path / "mine.npz", directed=True)
    for number in (0, 1):
        read = load_task(str(path), settings={"split_number": number})
        expected = node_classification(data, name="mine", directed=True, split_number=number)
        assert read.digest == expected.digest
    del data.train_mask, data.val_mask, data.test_mask
    assert load_task(str(write_graph(data, path))).split.name == "random 60/20/20, seed 0"


def test_what_is_no_graph_leaves_the_file_as_it_was(tmp_path):
    data = as_data(toy_graph_task())
    path = write_graph(data, tmp_path / "mine.npz")
    before = path.read_bytes()
    data.x = torch.ones(80, 4)
    with pytest.raises(DataError, match="features of 80 nodes"):
        write_graph(data, path)
    assert path.read_bytes() == before
    with pytest.raises(DataError, match=r"ends in \.npz"):
        write_graph(data, tmp_path / "mine")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.npz"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": None}, "has no x"),
        ({"edge_index": None}, "has no edge_index"),
        ({"y": torch.rand(90)}, "no whole numbers"),
        ({"train_mask": None}, "some parts only"),
        ({"x": torch.ones(80, 4)}, "features of 80 nodes but labels of 90"),
    ],
)
def test_what_is_no_graph_is_refused(changes, words):
    data = as_data(toy_graph_task())
    fields = {name: data[name] for name in ("x", "y", "edge_index", "train_mask", "val_mask", "test_mask")}
    with pytest.raises(DataError, match=words):
        node_classification(SimpleNamespace(**{**fields, **changes}))
