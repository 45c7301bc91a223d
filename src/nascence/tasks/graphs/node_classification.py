"""The task of telling the classes of a graph's nodes: every node is seen, the labels of some are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.seeding import derive_seed, generator
from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Split, Task
from nascence.tasks.digests import digest_of
from nascence.tasks.graphs.graph import UNKNOWN, Graph
from nascence.tasks.graphs.measures import confusion_counts, macro_f1, margin_counts, roc_auc
from nascence.tasks.graphs.sampling import NeighbourSampler
from nascence.tasks.graphs.splits import NodeSplit, check_split
from nascence.tasks.image_set import batch_sizes, stratified_split

NodeMetric = Literal["accuracy", "macro_f1", "roc_auc"]
WHOLE = 2_000_000
"""Graphs of up to so many nodes and edges together are one batch; larger ones are sampled."""
FANOUTS = (15, 10, 5)
"""Edges into a node that are drawn, hop by hop, where a graph is sampled."""


@final
@dataclass(frozen=True, eq=False)
class NodeClassification(Task):
    """A graph, and which of its nodes train, validate and judge (transductive: all features and edges are seen).

    ``scoring``: the metric; None for the area under the ROC curve of two classes and accuracy of more. ``fanouts``:
    with them batches are nodes and their sampled neighbourhoods; without, the whole graph is one batch, whatever batch
    size is asked for, and its mask says whose outputs count. ``remarks``: what has to be said about how the data were
    read. ``untrained_classes``: there may be classes without a training node.
    Raises :class:`DataError` where the split does not fit the graph, :class:`SettingError` on a metric that does not.
    """

    name: str
    graph: Graph
    split: NodeSplit
    scoring: NodeMetric | None = None
    fanouts: tuple[int, ...] | None = None
    remarks: tuple[str, ...] = ()
    untrained_classes: bool = False

    def __post_init__(self) -> None:
        check_split(self.name, self.graph, self.split, untrained=self.untrained_classes)
        if self.scoring == "roc_auc" and self.num_classes != 2:
            raise SettingError(f"roc_auc is about two classes, and '{self.name}' has {self.num_classes}; try macro_f1.")

    @property
    def loss_name(self) -> str:
        return "cross_entropy"

    @property
    def metric(self) -> Metric:
        return Metric(self.scoring or ("roc_auc" if self.num_classes == 2 else "accuracy"), "%")

    @property
    def signature(self) -> Signature:
        size = (self.graph.nodes, self.graph.edges.shape[1])
        return Signature("graph", self.graph.features.shape[1], self.num_classes, size)

    @property
    def examples(self) -> str:
        return "nodes"

    @property
    def suggestions(self) -> Mapping[str, Any]:
        """Adam, whole graphs or large batches, and no more epochs than the validation nodes ask for."""
        size = min(512, int(self.split.train.sum()))
        return {
            "optimizer": "adam",
            "learning_rate": 0.01,
            "epochs": 200 if self.fanouts is None else 20,
            "patience": 50 if self.fanouts is None else 5,
            "batch_size": size,
            "warmup_epochs": 0,
        }

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.graph.class_names

    def part(self, split: Split) -> NodePart:
        return NodePart(self, getattr(self.split, split).nonzero()[:, 0])

    def divided(self, share: float, seed: int) -> tuple[NodePart, NodePart]:
        nodes = self.part("train").nodes
        first, second = stratified_split(self.graph.labels[nodes], share, generator(seed, "split"))
        return NodePart(self, nodes[first]), NodePart(self, nodes[second])

    def narrowed(self, part: Part) -> NodeClassification:
        """Classes may be without a training node in it."""
        assert isinstance(part, NodePart)
        train = torch.zeros_like(self.split.train)
        train[part.nodes] = True
        return replace(self, split=replace(self.split, train=train), untrained_classes=True)

    def union(self, parts: Sequence[Part]) -> NodePart:
        return NodePart(self, torch.cat([part.nodes for part in parts if isinstance(part, NodePart)]))

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean of -log softmax(logits)[label] over the nodes of the mask, in nats."""
        logits, labels = _counted(output, batch)
        return F.cross_entropy(logits.float(), labels)

    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``count``, ``confusion`` [K, K] and, of two classes, ``margins`` (:func:`margin_counts`)."""
        logits, labels = _counted(output.detach(), batch)
        found = {
            "count": labels.new_full((), len(labels)),
            "confusion": confusion_counts(logits.argmax(1), labels, self.num_classes),
        }
        if self.num_classes == 2:
            found["margins"] = margin_counts(logits[:, 1] - logits[:, 0], labels)
        return found

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``accuracy``, ``macro_f1`` and, of two classes, ``roc_auc``, all in percent; and ``confusion``, how many
        nodes of a class (row) were called a class (column)."""
        confusion = torch.as_tensor(sums["confusion"])
        found = {
            "accuracy": 100 * float(confusion.diagonal().sum()) / float(sums["count"]),
            "macro_f1": 100 * macro_f1(confusion),
        }
        if self.num_classes == 2:
            found["roc_auc"] = 100 * roc_auc(torch.as_tensor(sums["margins"]))
        return {**found, "confusion": confusion.long().tolist()}

    def report(self, measures: Mapping[str, Any]) -> dict[str, Any]:
        """The measures, with ``per_class`` (recall by class, None where no test node has it) and ``class_names``."""
        rows = measures["confusion"]
        recalls = [100 * row[at] / sum(row) if sum(row) else None for at, row in enumerate(rows)]
        per_class = dict(zip(self.class_names, recalls, strict=True))
        return {**measures, "per_class": per_class, "class_names": list(self.class_names)}

    def distance(self, output: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """T^2 KL(softmax(teacher / T) || softmax(logits / T)), the mean over the nodes of the mask."""
        student, target = output, teacher.detach()
        if batch.mask is not None:
            student, target = student[batch.mask], target[batch.mask]
        target = (target.float() / temperature).log_softmax(-1)
        student = (student.float() / temperature).log_softmax(-1)
        return temperature**2 * F.kl_div(student, target, log_target=True, reduction="batchmean")

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """The logarithm of the mean of the networks' probabilities."""
        return torch.stack([output.float().log_softmax(-1) for output in outputs]).exp().mean(0).log()

    def describe(self) -> dict[str, Any]:
        """Class names, the graph's size, the split with its counts, and how batches are made."""
        return {
            "kind": "node-classification",
            "class_names": list(self.class_names),
            "input_shape": [self.signature.features],
            "nodes": self.graph.nodes,
            "edges": self.graph.edges.shape[1],
            "split": self.split.name,
            "train_nodes": int(self.split.train.sum()),
            "validation_nodes": int(self.split.validation.sum()),
            "test_nodes": int(self.split.test.sum()),
            "metric": self.metric.name,
            "fanouts": None if self.fanouts is None else list(self.fanouts),
            "digest": self.digest,
        }

    @cached_property
    def digest(self) -> str:
        """Of the whole graph and of its split."""
        graph, split = self.graph, self.split
        tensors = (graph.features, graph.labels, graph.edges, split.train, split.validation, split.test)
        return digest_of(tensor.numpy() for tensor in tensors)

    @cached_property
    def whole(self) -> tuple[Tensor, Tensor]:
        """The inputs of a network that sees the whole graph: features [N, F], edges [2, E]."""
        return self.graph.features, self.graph.edges

    @cached_property
    def _sampler(self) -> NeighbourSampler:
        assert self.fanouts is not None
        return NeighbourSampler(self.graph.edges, self.graph.nodes, self.fanouts)

    def sampled(self, nodes_B: Tensor, draws: torch.Generator) -> Batch:
        """The nodes ``nodes_B`` with a sampled neighbourhood, whose other nodes do not count."""
        reached, edges = self._sampler.sample(nodes_B, draws)
        mask = torch.zeros(len(reached), dtype=torch.bool)
        mask[: len(nodes_B)] = True
        counted = torch.arange(len(nodes_B))
        return Batch((self.graph.features[reached], edges), self.graph.labels[reached], mask, counted=counted)


def _counted(output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits and labels of the nodes that count."""
    if batch.counted is not None:
        return output[batch.counted], batch.target[batch.counted]
    mask = batch.target != UNKNOWN if batch.mask is None else batch.mask
    return output[mask], batch.target[mask]


@final
@dataclass(frozen=True, eq=False)
class NodePart(Part):
    """Some nodes of a task, by their numbers ``nodes`` int64 [n]."""

    task: NodeClassification
    nodes: Tensor

    def __len__(self) -> int:
        return len(self.nodes)

    def first(self, count: int | None) -> NodePart:
        return self if count is None else NodePart(self.task, self.nodes[:count])

    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        """The whole graph, again and again, or ``size`` nodes with sampled neighbourhoods. (There are no images to be
        shrunk.)"""
        return _Whole(self) if self.task.fanouts is None else _Sampled(self, size, seed, name)

    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        """Neighbourhoods are drawn the same in every pass."""
        if self.task.fanouts is None:
            yield self.whole()
            return
        for at, nodes_B in enumerate(self.nodes.split(size)):
            yield self.task.sampled(nodes_B, generator(0, "evaluation", at))

    def whole(self) -> Batch:
        """The whole graph; this part's nodes count."""
        mask = torch.zeros(self.task.graph.nodes, dtype=torch.bool)
        mask[self.nodes] = True
        return Batch(self.task.whole, self.task.graph.labels, mask, counted=mask.nonzero()[:, 0])


@final
class _Whole(Batches):
    def __init__(self, part: NodePart) -> None:
        self._batch = part.whole()

    def __len__(self) -> int:
        return 1

    def __call__(self, number: int) -> Batch:
        return self._batch


@final
class _Sampled(Batches):
    def __init__(self, part: NodePart, size: int, seed: int, name: str) -> None:
        if size > len(part):
            raise DataError(
                f"A batch of {size} is larger than the {len(part)} nodes of '{part.task.name}' that are set aside for "
                f"{name}; choose a smaller batch_size."
            )
        self._part, self._seed, self._name = part, derive_seed(seed, "nodes", name), name
        self._sizes = batch_sizes(len(part), size)

    def __len__(self) -> int:
        return len(self._sizes)

    def __call__(self, number: int) -> Batch:
        at_pass, at = divmod(number, len(self))
        order = torch.randperm(len(self._part), generator=generator(self._seed, "order", at_pass))
        chosen = self._part.nodes[order.split(self._sizes)[at]]
        return self._part.task.sampled(chosen, generator(self._seed, "neighbours", number))


__all__ = ["FANOUTS", "WHOLE", "NodeClassification", "NodeMetric", "NodePart"]
