"""A pass through a graph by shapes alone, on which every channel is numbered and every operation counted."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from nascence.errors import SettingError
from nascence.spaces.own.function_rules import FunctionRules
from nascence.spaces.own.labels import Labelled, tensors
from nascence.spaces.own.layer_rules import LayerRules
from nascence.tasks.base import Signature


def follow(network: fx.GraphModule, signature: Signature) -> Labelled:
    """Numbers of all channels of ``network``. Raises :class:`SettingError` where it cannot be followed by shapes."""
    found = Labelled()
    functions = FunctionRules(found)
    layers = LayerRules(network, functions)
    labels: dict[fx.Node, Any] = {}
    values: dict[fx.Node, Any] = {}
    shadow = _on_meta(network)
    for node in network.graph.nodes:
        if node.op == "placeholder":
            (example,) = signature.example(1)
            values[node] = example.to("meta")
            labels[node] = torch.zeros(example.shape, dtype=torch.int64)
        elif node.op == "output":
            functions.pin_all(_of(node.args, labels), "its channels are the network's outputs")
        else:
            args, kwargs = _of(node.args, values), _of(node.kwargs, values)
            counter = FlopCounterMode(display=False)
            try:
                with torch.no_grad(), counter:
                    values[node] = _run(shadow, node, args, kwargs)
            except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
                raise SettingError(
                    f"The network cannot be followed by shapes alone at '{node.name}' ({str(error)[:160]})."
                ) from None
            found.flops[node.name] = counter.get_total_flops()
            numbers, named = _of(node.args, labels), _of(node.kwargs, labels)
            if not tensors(values[node]):
                if numbers and isinstance(numbers[0], Tensor) and (node.target is getattr or node.target == "size"):
                    found.asked[node.name] = numbers[0]
                labels[node] = None
            elif node.op == "call_module":
                labels[node] = layers.call(node, numbers, values[node])
            else:
                labels[node] = functions.call(node, numbers, named, values[node])
        found.values[node.name] = values.get(node)
    return found


def _on_meta(network: fx.GraphModule) -> dict[str, nn.Module]:
    names = {str(node.target) for node in network.graph.nodes if node.op == "call_module"}
    return {name: copy.deepcopy(network.get_submodule(name)).to("meta") for name in names}


def _run(layers: Mapping[str, nn.Module], node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_module":
        return layers[str(node.target)](*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _of(value: Any, known: Mapping[fx.Node, Any]) -> Any:
    return fx.node.map_arg(value, lambda node: known[node])


__all__ = ["follow"]
