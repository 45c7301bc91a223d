"""Graphs after ``--data``: recognised by themselves, with settings, and what is refused."""

import numpy as np
import pytest

from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.tasks import load_task
from nascence.tasks.graphs import NodeClassification


@pytest.fixture
def graph_file(tmp_path):
    path = tmp_path / "mine.npz"
    edges = np.stack([np.arange(30), (np.arange(30) + 1) % 30], axis=1)
    np.savez(path, features=np.eye(30), labels=np.arange(30) % 3, edges=edges)
    return path


def test_a_graph_file_is_recognised(graph_file):
    task = load_task(str(graph_file))
    assert isinstance(task, NodeClassification)
    assert task.name == "mine"
    assert task.describe()["kind"] == "node-classification"


def test_settings_reach_it(graph_file):
    task = load_task(str(graph_file), settings=["scoring=macro_f1", "split_seed=3", "fanouts=4,2"])
    assert task.metric.name == "macro_f1"
    assert task.split.name.endswith("seed 3")
    assert task.fanouts == (4, 2)
    with pytest.raises(UnknownNameError, match="scoring"):
        load_task(str(graph_file), settings=["scorng=macro_f1"])
    with pytest.raises(SettingError):
        load_task(str(graph_file), settings=["scoring=auc"])


def test_images_are_still_images(tmp_path):
    np.savez(tmp_path / "images.npz", x=np.zeros((20, 8, 8), np.uint8), y=np.arange(20) % 2)
    assert load_task(str(tmp_path / "images.npz")).signature.domain == "images"


def test_a_size_of_images_is_refused(graph_file):
    with pytest.raises(DataError, match="--image-size does not go with"):
        load_task(str(graph_file), image_size=8)


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "graph.txt").write_text("0 1")
    with pytest.raises(DataError, match="no graph"):
        load_task(str(tmp_path / "graph.txt"), task="nodes")
    with pytest.raises(DataError, match=r"no files ind\.NAME"):
        load_task(str(tmp_path), task="nodes")


@pytest.mark.data
@pytest.mark.parametrize(("data", "metric"), [("planetoid/cora", "accuracy"), ("graphs/minesweeper", "roc_auc")])
def test_the_authors_data_by_name(real_data, data, metric):
    assert load_task(data, real_data).metric.name == metric
