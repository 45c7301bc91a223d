"""Classes of a graph's nodes, with probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.graphs.arrays import read_graph_file
from nascence.tasks.graphs.graph import both_ways, check_graph, each_once
from nascence.tasks.graphs.node_classification import FANOUTS, WHOLE
from nascence.tasks.graphs.planetoid import read_planetoid
from nascence.tasks.graphs.raw import NodeSettings, RawGraph, scaled
from nascence.tasks.graphs.sampling import NeighbourSampler
from nascence.tasks.predicting import Columns, Question


def predict_nodes(question: Question, own: Path) -> Columns:
    """``file``, ``node`` (its number), ``class``, ``probability`` of it, and ``probability of CLASS`` for every class.

    Of all nodes of the graphs at ``question.paths``, without any of the graph at ``own``. Labels may be missing; edges
    and features are read as for training. Raises :class:`DataError` for a graph with other features.
    """
    names = [str(name) for name in question.described["class_names"]]
    places: list[str] = []
    nodes: list[int] = []
    parts = []
    for path in question.paths or (own,):
        raw = read_planetoid(path) if path.is_dir() else read_graph_file(path, labelled=False)
        shares = _probabilities(question, raw)
        places += [str(path)] * len(shares)
        nodes += range(len(shares))
        parts.append(shares)
    share_NK = torch.cat(parts)
    best = share_NK.argmax(1).tolist()
    return {
        "file": places,
        "node": nodes,
        "class": [names[at] for at in best],
        "probability": share_NK.amax(1).tolist(),
        **{f"probability of {name}": column for name, column in zip(names, share_NK.T.tolist(), strict=True)},
    }


@torch.no_grad()
def _probabilities(question: Question, raw: RawGraph) -> Tensor:
    """[N, K], float64."""
    settings: NodeSettings = question.settings
    expected = question.described["input_shape"][0]
    check_graph(raw.name, raw.features, raw.labels, raw.edges)
    if raw.features.shape[1] != expected:
        raise DataError(
            f"The nodes of '{raw.name}' have {raw.features.shape[1]} features, but the network was trained on "
            f"{expected}."
        )
    directed = settings.directed or raw.directed
    edges = (each_once if directed else both_ways)(raw.edges, len(raw.labels))
    features, model = scaled(raw.features.float(), settings.features), question.model
    fanouts: tuple[int, ...] | None = settings.fanouts
    if fanouts is None and len(raw.labels) + edges.shape[1] > WHOLE:
        fanouts = FANOUTS
    if not fanouts or fanouts == (0,):
        return _call(model, features, edges)
    sampler, found = NeighbourSampler(edges, len(raw.labels), fanouts), []
    for at, nodes_B in enumerate(torch.arange(len(raw.labels)).split(question.batch_size)):
        reached, inside = sampler.sample(nodes_B, generator(0, "prediction", at))
        found.append(_call(model, features[reached], inside)[: len(nodes_B)])
    return torch.cat(found)


def _call(model: nn.Module, *inputs: Any) -> Tensor:
    device = next((value.device for value in model.parameters()), torch.device("cpu"))
    return model(*(value.to(device) for value in inputs)).cpu().double().softmax(1)


__all__ = ["predict_nodes"]
