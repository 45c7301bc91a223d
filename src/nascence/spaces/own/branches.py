"""Residual branches that can be left out: what is added to a value that the branch itself began with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

from torch import fx

from nascence.spaces.own.labels import kind_of


@final
@dataclass(frozen=True)
class Branch:
    """``add``: the node of the addition; ``shortcut``: which of its two inputs stays when the branch goes; ``inside``:
    the nodes that go with it; ``name``: of the module that they are in, or the addition's."""

    name: str
    add: str
    shortcut: int
    inside: frozenset[str]


def branches(network: fx.GraphModule, values: dict[str, Any]) -> tuple[Branch, ...]:
    """The innermost ones, in the order of the graph: y = x + f(x) with y of x's shape, f with a layer that has
    parameters, and x not the network's own input. ``values``: of every node, for its shape."""
    found: list[Branch] = []
    for node in network.graph.nodes:
        if node.op not in ("call_function", "call_method") or kind_of(node) != "add" or len(node.args) != 2:
            continue
        one, two = node.args
        if not isinstance(one, fx.Node) or not isinstance(two, fx.Node) or node.kwargs.get("alpha", 1) != 1:
            continue
        for place, (shortcut, branch) in enumerate(((one, two), (two, one))):
            inside = _inside(shortcut, branch)
            shapes = {_shape(values.get(each.name)) for each in (shortcut, branch, node)}
            if shortcut.op != "placeholder" and inside and len(shapes) == 1 and _has_layers(network, inside):
                within = frozenset(each.name for each in inside)
                found.append(Branch(_name(inside, node), node.name, place, within))
                break
    innermost = [one for one in found if not any(other.add in one.inside for other in found)]
    for name in ("", "last", "add"):  # more and more of it, until no two are called the same
        called = [_called(network, one, name) for one in innermost]
        if len(set(called)) == len(called):
            break
    return tuple(replace(one, name=name) for one, name in zip(innermost, called, strict=True))


def _called(network: fx.GraphModule, branch: Branch, more: str) -> str:
    """The branch's name; a branch that is one layer alone is called differently from that layer."""
    layers = [
        str(node.target) for node in network.graph.nodes if node.name in branch.inside and node.op == "call_module"
    ]
    if more == "add":
        return f"{branch.name}/{branch.add}"
    if more == "last" and layers[-1] != branch.name:
        return f"{branch.name}/{layers[-1].removeprefix(f'{branch.name}.').split('.')[0]}"
    return f"{branch.name}/branch" if branch.name in layers else branch.name


def _shape(value: Any) -> Any:
    return tuple(value.shape) if hasattr(value, "shape") else id(value)


def _inside(shortcut: fx.Node, branch: fx.Node) -> set[fx.Node]:
    """Nodes between the two whose values go nowhere but into the branch; none where it does not begin at the
    shortcut, or where something outside needs it."""
    found: set[fx.Node] = set()
    waiting, reached = [branch], False
    while waiting:
        node = waiting.pop()
        if node is shortcut:
            reached = True
            continue
        if node in found or node.op == "placeholder":
            continue
        found.add(node)
        waiting += node.all_input_nodes
    if not reached:
        return set()
    before = _before(shortcut)
    found -= before
    while True:  # what others need as well stays
        outside = {node for node in found if node is not branch and not set(node.users) <= found}
        if not outside:
            break
        found -= outside
    return found if branch in found and len(branch.users) == 1 else set()


def _before(node: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += one.all_input_nodes
    return found


def _has_layers(network: fx.GraphModule, nodes: set[fx.Node]) -> bool:
    layers = (network.get_submodule(str(node.target)) for node in nodes if node.op == "call_module")
    return any(next(layer.parameters(), None) is not None for layer in layers)


def _name(inside: set[fx.Node], add: fx.Node) -> str:
    """The longest path that all layers of the branch have in common."""
    paths = [str(node.target).split(".") for node in inside if node.op == "call_module"]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) or add.name


__all__ = ["Branch", "branches"]
