"""What a trained network says of nodes: of its own graph, of another one, whole and sampled."""

import numpy as np
import pytest
import torch

from nascence.errors import DataError, SettingError
from nascence.spaces import get_space
from nascence.spaces.sane import GraphSize
from nascence.tasks.graphs.loader import NodesLoader
from nascence.tasks.graphs.raw import NodeSettings
from nascence.tasks.predicting import Question
from nascence.testing.toy_graph import toy_graph_task

TASK = toy_graph_task()
SPACE = get_space("sane-1")
MODEL = SPACE.build(
    SPACE.parse("sage_sum||l_max"), network=GraphSize(channels=16), signature=TASK.signature, seed=0
).eval()


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.npz"
    features, edges = TASK.whole
    np.savez(path, features=features.numpy(), edges=edges.numpy(), directed=np.array(True))
    return path


def ask(own, *paths, **settings):
    config = {"task": TASK.describe(), "data": str(own), "data_dir": str(own.parent)}
    return NodesLoader().predict(
        Question(model=MODEL, config=config, settings=NodeSettings(**settings), paths=paths, batch_size=20)
    )


def test_its_own_graph_without_labels(own):
    columns = ask(own)
    shares = MODEL(*TASK.whole).double().softmax(1)
    assert columns["node"] == list(range(90))
    assert columns["class"] == [TASK.class_names[at] for at in shares.argmax(1).tolist()]
    found = torch.tensor([columns[f"probability of {name}"] for name in TASK.class_names]).T
    torch.testing.assert_close(found.double(), shares.detach(), rtol=1e-5, atol=1e-6)
    assert columns["probability"] == pytest.approx(shares.amax(1).tolist(), rel=1e-5)


def test_sampled_neighbourhoods_that_are_whole_say_the_same(own):
    whole, sampled = ask(own), ask(own, fanouts=(10, 10))
    assert sampled["class"] == whole["class"]
    assert sampled["probability"] == pytest.approx(whole["probability"], rel=1e-4)


def test_other_graphs_by_name(own):
    columns = ask(own, own, own)
    assert len(columns["node"]) == 180
    assert set(columns["file"]) == {str(own)}
    with pytest.raises(SettingError, match="nothing at"):
        ask(own, own.with_name("none.npz"))


def test_a_graph_with_other_features_is_refused(own):
    path = own.with_name("wide.npz")
    np.savez(path, features=np.ones((3, 7)), edges=np.array([[0, 1]]))
    with pytest.raises(DataError, match="have 7 features, but the network was trained on 4"):
        ask(own, path)
