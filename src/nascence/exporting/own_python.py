"""The graph of a user's own network with all its layers side by side, as the writer of Python wants it."""

from __future__ import annotations

from torch import fx, nn


def flattened(network: nn.Module) -> nn.Module:
    """Where it is a graph of layers, the same network with the same weights and with layers called ``stages_0_conv1``
    instead of ``stages.0.conv1``; any other network itself."""
    if not isinstance(network, fx.GraphModule):
        return network
    graph, known = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(network.graph, known))
    layers: dict[str, nn.Module] = {}
    names: dict[str, str] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            path = str(node.target)
            if path not in names:
                name = path.replace(".", "_")
                name = name if name.isidentifier() else f"layer_{name}"
                while name in layers:
                    name += "_"
                names[path], layers[name] = name, network.get_submodule(path)
            node.target = names[path]
    return fx.GraphModule(layers, graph, "Network").train(network.training)


__all__ = ["flattened"]
