"""Graphs in npz files: one's own form, the authors' form, and what is wrong with others."""

import numpy as np
import pytest

from nascence.errors import DataError
from nascence.tasks.graphs.arrays import is_graph_file, read_graph_file

OWN = {
    "features": np.eye(4, dtype=np.float64),
    "labels": np.array([0, 1, 1, -1]),
    "edges": np.array([[0, 1], [1, 2], [2, 3]]),
}


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_ones_own_form(tmp_path):
    path = save(tmp_path / "mine.npz", **OWN)
    assert is_graph_file(path)
    raw = read_graph_file(path)
    assert raw.name == "mine"
    assert raw.edges.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert raw.labels.tolist() == [0, 1, 1, -1]
    assert raw.features.shape == (4, 4)
    assert raw.masks == {}
    assert not raw.directed


def test_all_there_may_be(tmp_path):
    mask = np.array([True, False, False, False])
    raw = read_graph_file(
        save(
            tmp_path / "all.npz",
            features=OWN["features"],
            labels=np.array(["fox", "", "ant", "fox"]),
            edges=OWN["edges"].T,
            directed=np.array(True),
            train_mask=mask,
            val_mask=np.roll(mask, 2),
            test_mask=np.roll(mask, 3),
        )
    )
    assert raw.class_names == ("ant", "fox")
    assert raw.labels.tolist() == [1, -1, 0, 1]
    assert raw.directed
    assert raw.edges.shape == (2, 3)
    assert [mask.tolist().index(True) for mask in raw.masks["given"]] == [0, 2, 3]


def test_the_authors_form(tmp_path):
    masks = np.eye(3, 4, dtype=bool)
    raw = read_graph_file(
        save(
            tmp_path / "theirs.npz",
            node_features=OWN["features"].astype(np.float32),
            node_labels=OWN["labels"],
            edges=OWN["edges"],
            train_masks=masks,
            val_masks=np.roll(masks, 1, 0),
            test_masks=np.roll(masks, 2, 0),
        )
    )
    assert raw.masks["given"][0].shape == (3, 4)


@pytest.mark.data
def test_the_authors_files(real_data):
    facts = {"minesweeper": (10_000, 7, 39_402), "actor": (7_600, 932, 26_659), "texas": (183, 1_703, 279)}
    for name, (nodes, features, edges) in facts.items():
        raw = read_graph_file(real_data / "graphs" / f"{name}.npz")
        assert (tuple(raw.features.shape), raw.edges.shape[1]) == ((nodes, features), edges)
        assert raw.masks["given"][0].shape == (10, nodes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": None}, "no array 'features'"),
        ({"labels": None}, "no array 'labels'"),
        ({"labels": np.array([0, np.nan, 1, 1])}, "no whole numbers"),
        ({"labels": np.zeros((4, 2), int)}, r"labels in .* have the shape \[4, 2\]"),
        ({"edges": np.zeros((3, 3), int)}, r"expected \[E, 2\]"),
        ({"edges": np.zeros((3, 2))}, "'edges' in .* is of type float64"),
        ({"train_mask": np.ones(4, bool)}, "no 'val_mask'"),
        ({f"{part}_mask": np.full(4, 2) for part in ("train", "val", "test")}, "is no mask"),
    ],
)
def test_what_is_no_graph_is_refused(tmp_path, changes, words):
    arrays = {name: array for name, array in {**OWN, **changes}.items() if array is not None}
    with pytest.raises(DataError, match=words):
        read_graph_file(save(tmp_path / "bad.npz", **arrays))


def test_what_is_no_file_of_arrays_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"nonsense")
    assert not is_graph_file(path)
    with pytest.raises(DataError, match="no valid"):
        read_graph_file(path)
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    assert not is_graph_file(tmp_path / "one.npz")
    with pytest.raises(DataError, match="single array"):
        read_graph_file(tmp_path / "one.npz")
    assert not is_graph_file(save(tmp_path / "images.npz", images=np.ones(3), labels=np.ones(3)))
