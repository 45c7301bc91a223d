"""The network of one architecture: channels that go are cut out of every tensor, branches that go out of the graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from nascence.spaces.own.analysis import Analysis, Axes
from nascence.spaces.own.channels import Integers
from nascence.spaces.own.labels import kind_of
from nascence.spaces.own.layers import copied, make, resized


def sliced(analysis: Analysis, kept: Integers, skipped: Collection[str] = ()) -> fx.GraphModule:
    """``kept``: of :meth:`Analysis.kept`; ``skipped``: names of branches that are left out. Its weights are those of
    the whole network, on the device where layers are made now (shapes alone on ``meta``)."""
    graph, nodes = copied_graph(analysis.network)
    for branch in analysis.branches:
        if branch.name in skipped:
            add = nodes[branch.add]
            add.replace_all_uses_with(add.args[branch.shortcut])  # type: ignore[arg-type]
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))
    alive = {node.name for node in graph.nodes}
    for name, outputs in analysis.sizes.items():
        if name in alive:
            _name_sizes(nodes[name], outputs, analysis, kept)
    for name, number in analysis.numbers.items():
        if name in alive:
            _write_number(nodes[name], number)
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))
    layers: dict[str, nn.Module] = {}
    for node in graph.nodes:
        path = str(node.target)
        if node.op == "call_module" and path not in layers:
            layer = analysis.network.get_submodule(path)
            layers[path] = _cut(layer, analysis.tensors.get(path, {}), kept)
    network = fx.GraphModule(layers, graph, type(analysis.network).__name__)
    return network.eval()


def copied_graph(network: fx.GraphModule) -> tuple[fx.Graph, dict[str, fx.Node]]:
    """The graph again, and its nodes by the names that they have in the first one."""
    graph, known = fx.Graph(), dict[fx.Node, fx.Node]()
    output = graph.graph_copy(network.graph, known)
    graph.output(output)
    return graph, {node.name: new for node, new in known.items()}


def _write_number(node: fx.Node, number: float) -> None:
    """Write ``number`` where a node's value was asked for."""

    def written(each: fx.Node) -> Any:
        return number if each is node else each

    for user in list(node.users):
        user.args = fx.node.map_arg(user.args, written)
        user.kwargs = fx.node.map_arg(user.kwargs, written)


def positions(axis: Integers, kept: Integers) -> Integers:
    """What is left of an axis."""
    return np.flatnonzero(kept[axis])


def _cut(layer: nn.Module, tensors: Mapping[str, Axes], kept: Integers) -> nn.Module:
    """A layer with the weights that are left."""
    cuts = {name: [None if axis is None else positions(axis, kept) for axis in axes] for name, axes in tensors.items()}
    if all(cut is None for axes in cuts.values() for cut in axes):
        return copied(layer)
    state = layer.state_dict()
    lengths = {
        name: tuple(
            length if cut is None else len(cut)
            for length, cut in zip(state[name].shape, cuts.get(name, [None] * state[name].dim()), strict=True)
        )
        for name in state
    }
    fresh = make(resized(layer, lengths))
    fresh.train(layer.training)
    own = fresh.state_dict()
    for name, value in state.items():
        left = value
        for dim, cut in enumerate(cuts.get(name, ())):
            if cut is not None:
                left = left.index_select(dim, torch.from_numpy(cut))
        if not own[name].is_meta:
            own[name].copy_(left)
    return fresh


def _name_sizes(node: fx.Node, outputs: list[Axes], analysis: Analysis, kept: Integers) -> None:
    """Sizes that a node names, as they are when channels are gone."""
    kind = kind_of(node)
    if kind in ("view", "reshape", "expand", "unflatten"):
        lengths = [None if axis is None else int(kept[axis].sum()) for axis in outputs[0]]
        if kind == "unflatten":
            _unflattened(node, lengths)
            return
        first, sizes = node.args[0], list(_sizes(node))
        if len(sizes) != len(lengths):
            return
        new = [size if length is None or size == -1 else length for size, length in zip(sizes, lengths, strict=True)]
        node.args, node.kwargs = (first, tuple(new)), {}
        if node.op == "call_method":
            node.args = (first, *new)
    elif kind in ("chunk", "split"):
        varying = next((dim for dim, axis in enumerate(outputs[0]) if axis is not None), None)
        if varying is None:
            return
        lengths = [int(kept[axes[varying]].sum()) for axes in outputs if axes[varying] is not None]
        if len(lengths) != len(outputs):
            return
        first = node.args[0] if node.args else node.kwargs["input"]
        node.op, node.target = "call_method", "split"
        node.args, node.kwargs = (first, lengths, varying), {}


def _sizes(node: fx.Node) -> tuple[Any, ...]:
    rest = node.args[1:] or (node.kwargs.get("shape", node.kwargs.get("size", ())),)
    return tuple(rest[0]) if len(rest) == 1 and isinstance(rest[0], tuple | list) else tuple(rest)


def _unflattened(node: fx.Node, lengths: list[int | None]) -> None:
    dim, sizes = node.args[1], node.args[2]
    assert isinstance(sizes, tuple | list)
    assert isinstance(dim, int)
    first = dim % (len(lengths) - len(sizes) + 1)
    new = [size if (own := lengths[first + at]) is None or size == -1 else own for at, size in enumerate(sizes)]
    node.args = (node.args[0], dim, tuple(new))


__all__ = ["copied_graph", "positions", "sliced"]
