"""Planetoid folders: order of the test nodes, nodes without a class, and pickles that are not trusted."""

import pickle
from collections import defaultdict

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from nascence.errors import DataError
from nascence.tasks.graphs.planetoid import planetoid_folder, read_planetoid


class Harmful:
    def __reduce__(self):
        return print, ("harm",)


def write(folder, **changes):
    """Six nodes: 0 and 1 train, 2 and 3 are known, 5 and 4 are tested in this order; node 6 does not exist, 7 is
    tested too."""
    folder.mkdir(parents=True)
    features = np.arange(16, dtype=np.float32).reshape(8, 2)
    one_hot = np.eye(2)[[0, 1, 0, 1, 0, 1, 0, 1]]
    order = [5, 4, 7]
    graph = defaultdict(list, {0: [1, 1], 1: [0], 2: [2, 3], 3: [2], 5: [7], 7: [5]})
    files = {
        "x": csr_matrix(features[:2]),
        "allx": csr_matrix(features[:4]),
        "tx": csr_matrix(features[order]),
        "y": one_hot[:2],
        "ally": one_hot[:4],
        "ty": one_hot[order],
        "graph": graph,
        **changes,
    }
    for part, value in files.items():
        (folder / f"ind.toy.{part}").write_bytes(pickle.dumps(value, protocol=2))
    (folder / "ind.toy.test.index").write_text("5\n4\n7\n")
    return folder


def test_test_nodes_get_their_own_rows(tmp_path):
    write(tmp_path / "toy" / "raw")
    raw = read_planetoid(tmp_path / "toy")
    assert raw.name == "toy"
    assert raw.features[:, 0].tolist() == [0, 2, 4, 6, 8, 10, 0, 14]
    assert raw.labels.tolist() == [0, 1, 0, 1, 0, 1, -1, 1]
    assert raw.edges.T.tolist() == [[0, 1], [0, 1], [1, 0], [2, 3], [3, 2], [5, 7], [7, 5]]
    train, _, test = raw.masks["public"]
    assert train.nonzero().flatten().tolist() == [0, 1]
    assert test.nonzero().flatten().tolist() == [4, 5, 7]


def test_a_folder_without_raw_is_understood(tmp_path):
    write(tmp_path / "toy")
    assert planetoid_folder(tmp_path / "toy") == (tmp_path / "toy", "toy")
    assert planetoid_folder(tmp_path) is None
    with pytest.raises(DataError, match=r"no files ind\.NAME\.graph"):
        read_planetoid(tmp_path)


def test_a_pickle_that_runs_something_is_refused(tmp_path, capsys):
    write(tmp_path / "toy", graph=Harmful())
    with pytest.raises(DataError, match="not allowed"):
        read_planetoid(tmp_path / "toy")
    assert capsys.readouterr().out == ""


def test_files_that_do_not_fit_are_refused(tmp_path):
    write(tmp_path / "toy", tx=csr_matrix(np.ones((2, 2), np.float32)))
    with pytest.raises(DataError, match="do not fit each other"):
        read_planetoid(tmp_path / "toy")
    (tmp_path / "toy" / "ind.toy.ty").unlink()
    with pytest.raises(DataError, match=r"ind\.toy\.ty"):
        read_planetoid(tmp_path / "toy")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "nodes", "features", "edges", "unknown"),
    [("cora", 2708, 1433, 10556, 0), ("citeseer", 3327, 3703, 9104, 15)],
)
def test_the_authors_files(real_data, name, nodes, features, edges, unknown):
    raw = read_planetoid(real_data / "planetoid" / name)
    assert raw.features.shape == (nodes, features)
    pairs = torch.cat([raw.edges, raw.edges.flip(0)], 1).unique(dim=1)
    assert pairs.shape[1] == edges
    assert int((raw.labels == -1).sum()) == unknown
    train, validation, test = raw.masks["public"]
    assert (int(validation.sum()), int(test.sum())) == (500, 1000)
    assert torch.bincount(raw.labels[train]).tolist() == [20] * int(raw.labels.max() + 1)
