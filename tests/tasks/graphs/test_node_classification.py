"""Node classification: parts, batches by number, loss over the mask, measures."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, roc_auc_score

from nascence.errors import DataError, SettingError
from nascence.tasks.base import Batch
from nascence.tasks.graphs import NodeClassification, NodeSplit, make_graph, random_split
from nascence.testing.toy_graph import toy_graph_task


def two_classes(nodes=40, **options):
    labels = torch.arange(nodes) % 2
    edges = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    graph, _ = make_graph("ring", torch.randn(nodes, 3, generator=torch.Generator().manual_seed(0)), labels, edges)
    return NodeClassification("ring", graph, random_split(graph, 0), **options)


def test_says_what_a_space_may_know():
    task = two_classes()
    assert task.signature.domain == "graph"
    assert task.signature.features == 3
    assert task.signature.outputs == 2
    assert task.signature.size == (40, 80)
    features, edges = task.signature.example()
    assert features.shape == (40, 3)
    assert edges.shape == (2, 80)
    assert task.describe()["kind"] == "node-classification"


def test_the_metric_follows_from_the_classes():
    assert two_classes().metric.name == "roc_auc"
    assert two_classes(scoring="macro_f1").metric.name == "macro_f1"
    assert toy_graph_task().metric.name == "accuracy"
    task = toy_graph_task()
    with pytest.raises(SettingError, match="two classes"):
        NodeClassification("toy", task.graph, task.split, scoring="roc_auc")


def test_parts_are_disjoint_and_whole():
    task = toy_graph_task()
    parts = [task.part(split) for split in ("train", "validation", "test")]
    nodes = torch.cat([part.nodes for part in parts])
    assert sorted(nodes.tolist()) == list(range(90))
    assert [len(part) for part in parts] == [54, 18, 18]
    first, second = task.divided(0.5, 0)
    assert sorted(torch.cat([first.nodes, second.nodes]).tolist()) == parts[0].nodes.tolist()
    assert len(first) == len(second) == 27
    assert task.union([first, second]).nodes.unique().tolist() == parts[0].nodes.tolist()
    assert len(parts[0].first(5)) == 5
    assert parts[0].first(None) is parts[0]


def test_the_whole_graph_is_one_batch():
    task = toy_graph_task()
    batches = task.part("train").batches(4, 0, "weights")
    assert len(batches) == 1
    batch = batches(7)
    assert batch.inputs[0].shape == (90, 4)
    assert int(batch.mask.sum()) == 54
    (judge,) = task.part("test").passing()
    assert not bool((judge.mask & batch.mask).any())


def test_loss_is_the_mean_over_the_mask():
    task = toy_graph_task()
    batch = task.part("train").whole()
    output = torch.randn(90, 3)
    mask = batch.mask
    torch.testing.assert_close(task.loss(output, batch), F.cross_entropy(output[mask], batch.target[mask]))
    spoiled = output.clone()
    spoiled[~mask] = 100
    assert task.loss(spoiled, batch) == task.loss(output, batch)


def test_measures_agree_with_scikit_learn():
    task = two_classes()
    batch = task.part("train").whole()
    output = torch.randn(40, 2, generator=torch.Generator().manual_seed(3))
    output[::2, 0] += 0.5
    measures = task.measures(task.sums(output, batch))
    labels, classes = batch.target[batch.mask], output[batch.mask].argmax(1)
    scores = output[batch.mask].softmax(1)[:, 1]
    assert measures["accuracy"] == pytest.approx(100 * float((labels == classes).float().mean()))
    assert measures["macro_f1"] == pytest.approx(100 * f1_score(labels, classes, average="macro"))
    assert measures["roc_auc"] == pytest.approx(100 * roc_auc_score(labels, scores), abs=1e-9)


def test_sums_of_batches_add_up():
    task = two_classes()
    output = torch.randn(40, 2)
    whole = task.part("train").whole()
    pieces = [NodeClassification.sums(task, output, Batch(whole.inputs, whole.target, mask)) for mask in _halves(whole)]
    added = {name: pieces[0][name] + pieces[1][name] for name in pieces[0]}
    assert task.measures(added) == task.measures(task.sums(output, whole))


def _halves(batch):
    even = torch.arange(len(batch.mask)) % 2 == 0
    return batch.mask & even, batch.mask & ~even


def test_distance_and_combination():
    task = toy_graph_task()
    batch = task.part("train").whole()
    one, two = torch.randn(90, 3), torch.randn(90, 3)
    assert float(task.distance(one, one, batch)) == pytest.approx(0, abs=1e-6)
    assert float(task.distance(one, two, batch)) > 0
    assert torch.equal(
        task.distance(one, torch.where(batch.mask[:, None], one, two), batch), task.distance(one, one, batch)
    )
    mean = (one.softmax(1) + two.softmax(1)) / 2
    torch.testing.assert_close(task.combine([one, two]).exp(), mean)


class TestSampled:
    task = toy_graph_task(sampled=True)

    def test_batches_hold_so_many_counting_nodes(self):
        batches = self.task.part("train").batches(10, 0, "weights")
        assert len(batches) == 6
        counts = [int(batches(number).mask.sum()) for number in range(6)]
        assert sum(counts) == 54
        assert counts[0] == 10

    def test_a_batch_follows_from_its_number_alone(self):
        one, other = (self.task.part("train").batches(10, 0, "weights") for _ in range(2))
        for _ in range(3):
            one(0)
        assert torch.equal(one(4).inputs[0], other(4).inputs[0])
        assert torch.equal(one(4).inputs[1], other(4).inputs[1])
        assert not torch.equal(one(0).target[:10], one(6).target[:10])

    def test_a_larger_batch_than_nodes_is_refused(self):
        with pytest.raises(DataError, match="54 nodes"):
            self.task.part("train").batches(55, 0, "weights")

    def test_a_pass_sees_every_node_once_and_is_the_same_again(self):
        first, second = (list(self.task.part("test").passing(5)) for _ in range(2))
        assert sum(int(batch.mask.sum()) for batch in first) == 18
        assert all(torch.equal(a.inputs[1], b.inputs[1]) for a, b in zip(first, second, strict=True))
        labels = torch.cat([batch.target[batch.mask] for batch in first])
        assert torch.equal(labels, self.task.graph.labels[self.task.part("test").nodes])


def test_a_split_that_does_not_fit_is_refused():
    task = toy_graph_task()
    none = torch.zeros(90, dtype=torch.bool)
    with pytest.raises(DataError, match="test mask of 'toy' is empty"):
        NodeClassification("toy", task.graph, NodeSplit(task.split.train, task.split.validation, none, "given"))


def test_auc_without_a_class_is_not_a_number():
    task = two_classes()
    batch = task.part("train").whole()
    only = Batch(batch.inputs, batch.target, batch.mask & (batch.target == 0))
    assert math.isnan(task.measures(task.sums(torch.randn(40, 2), only))["roc_auc"])


def test_the_digest_is_of_the_graph_and_its_split():
    task = two_classes()
    assert task.digest == two_classes().describe()["digest"]
    other = task.graph.features.clone()
    other[3, 1] += 1
    changed = replace(task, graph=replace(task.graph, features=other))
    divided = replace(task, split=random_split(task.graph, 1))
    assert len({task.digest, changed.digest, divided.digest}) == 3


def test_a_report_tells_each_class_and_which_was_taken_for_which():
    from nascence.testing.toy_graph import toy_graph_task

    task = toy_graph_task()
    confusion = [[3, 1, 0], [0, 0, 0], [2, 0, 2]]
    told = task.report(task.measures({"count": 8, "confusion": confusion}))
    assert told["confusion"] == confusion
    assert told["per_class"] == dict(zip(task.class_names, [75.0, None, 50.0], strict=True))
    assert told["class_names"] == list(task.class_names)
    assert told["accuracy"] == 62.5
