"""A traced network as a value: JSON and tensors, from which it is made again without the code it came from."""

from __future__ import annotations

import builtins
import hashlib
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from nascence.errors import SettingError
from nascence.spaces.own.layers import describe, make

_FORMAT = 1
_OPERATORS = frozenset(
    [
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "neg",
        "pow",
        "mod",
        "matmul",
        "getitem",
        "iadd",
        "isub",
        "imul",
        "itruediv",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
    ]
)
_ATTRIBUTES = frozenset(["shape", "dtype", "device", "ndim", "T", "mT", "data"])
_DTYPES = frozenset(["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"])
Borrow = Callable[[str], nn.Module]
"""A part's name -> that part of the module that a user's own code makes."""


def to_json(network: fx.GraphModule, borrowed: Mapping[str, Any] = {}) -> dict[str, Any]:
    """Nodes and layers; not their weights. ``borrowed``: names of parts that are written down as taken from the user's
    code. Raises :class:`SettingError` where something else cannot be written down."""
    nodes = [
        {
            "name": node.name,
            "op": node.op,
            "target": _function_name(node.target) if node.op == "call_function" else str(node.target),
            "args": _written(node.args),
            "kwargs": {name: _written(value) for name, value in node.kwargs.items()},
        }
        for node in network.graph.nodes
    ]
    layers: dict[str, Any] = {}
    for node in network.graph.nodes:
        path = str(node.target)
        if node.op == "call_module" and path not in layers:
            layers[path] = {"borrowed": True} if path in borrowed else describe(network.get_submodule(path))
    return {"format": _FORMAT, "name": type(network).__name__, "nodes": nodes, "layers": layers}


def from_json(value: Mapping[str, Any], state: Mapping[str, Tensor], borrow: Borrow | None = None) -> fx.GraphModule:
    """The inverse of :func:`to_json`, with the weights ``state``. Raises :class:`SettingError` where something in it is
    none of PyTorch's functions on tensors, or where weights do not fit."""
    try:
        if value["format"] > _FORMAT:
            raise SettingError("This network was written down by a newer Nascence.")
        layers: dict[str, Any] = {}
        for path, described in value["layers"].items():
            if described.get("borrowed"):
                if borrow is None:
                    raise SettingError(f"The part {path} of this network can only be made by the code it came from.")
                layers[path] = borrow(path)
            else:
                layers[path] = make(described)
        graph, nodes = fx.Graph(), dict[str, fx.Node]()
        for each in value["nodes"]:
            args, kwargs = _read(each["args"], nodes), {k: _read(v, nodes) for k, v in each["kwargs"].items()}
            op, target = each["op"], each["target"]
            if op == "output":
                nodes[each["name"]] = graph.output(args[0])
                continue
            if op not in ("placeholder", "call_module", "call_function", "call_method"):
                raise SettingError(f"'{op}' is no step of a network.")
            if op == "call_method" and (target.startswith("_") or not hasattr(Tensor, target)):
                raise SettingError(f"'{target}' is no method of tensors.")
            if op == "call_module" and target not in layers:
                raise SettingError(f"There is no layer '{target}'.")
            what = _function(target) if op == "call_function" else target
            if what is getattr and args[1] not in _ATTRIBUTES:
                raise SettingError(f"'{args[1]}' is no attribute of tensors that a network asks for.")
            nodes[each["name"]] = graph.create_node(op, what, args, kwargs, name=each["name"])
        network = fx.GraphModule(layers, graph, value["name"])
        network.load_state_dict(dict(state))
    except SettingError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise SettingError(f"This is no network that was written down ({str(error).splitlines()[0][:160]}).") from None
    return network.eval()


def digest(value: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Of a network and its weights, in hexadecimal digits."""
    found = hashlib.sha256(json.dumps(value, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _function_name(function: Any) -> str:
    name = getattr(function, "__name__", "")
    for home, prefix in ((operator, "operator"), (builtins, "builtins"), (F, "F"), (torch, "torch")):
        if getattr(home, name, None) is function:
            full = f"{prefix}.{name}"
            _function(full)
            return full
    raise SettingError(f"The function {name or function} is none of PyTorch's, so the network cannot be written down.")


def _function(name: str) -> Any:
    home, _, own = name.partition(".")
    known: Any = None
    if home == "operator" and own in _OPERATORS:
        known = getattr(operator, own)
    elif home == "builtins" and own == "getattr":
        known = getattr
    elif home == "F" and not own.startswith("_"):
        known = getattr(F, own, None)
    elif home == "torch" and not own.startswith("_") and hasattr(torch._C._VariableFunctions, own):
        known = getattr(torch, own, None)
    if not callable(known) or isinstance(known, type):
        raise SettingError(f"The function '{name}' is none that a network may call.")
    return known


def _written(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple):
        return {"tuple": [_written(part) for part in value]}
    if isinstance(value, list):
        return [_written(part) for part in value]
    if isinstance(value, slice):
        return {"slice": [_written(part) for part in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SettingError(f"An argument {type(value).__name__} cannot be written down.")


def _read(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_read(part, nodes) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "node":
        return nodes[content]
    if kind == "tuple":
        return tuple(_read(part, nodes) for part in content)
    if kind == "slice":
        return slice(*(_read(part, nodes) for part in content))
    if kind == "ellipsis":
        return Ellipsis
    if kind == "dtype" and content in _DTYPES:
        return getattr(torch, content)
    raise SettingError(f"'{kind}' is no argument of a network.")


__all__ = ["Borrow", "digest", "from_json", "to_json"]
