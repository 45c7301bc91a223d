"""Layers of PyTorch as values: a class and the arguments that make one like it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from nascence.errors import SettingError
from nascence.spaces.own.loose import LooseConstant, LooseParameter

_OURS: Mapping[str, type[nn.Module]] = {"LooseConstant": LooseConstant, "LooseParameter": LooseParameter}


def describe(layer: nn.Module) -> dict[str, Any]:
    """``class`` and ``args``, ready for JSON. Raises :class:`SettingError` for a layer that is none of PyTorch's, or
    that does not keep its arguments."""
    name = type(layer).__name__
    if _class(name) is not type(layer):
        raise SettingError(f"{name} is no layer of PyTorch, so it cannot be written down.")
    if isinstance(layer, nn.MultiheadAttention):
        return {"class": name, "args": _attention(layer)}
    args: dict[str, Any] = {}
    for key, parameter in inspect.signature(type(layer).__init__).parameters.items():
        if key in ("self", "device", "dtype") and not isinstance(layer, LooseConstant):
            continue
        if key == "self" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not hasattr(layer, key):
            raise SettingError(f"{name} does not keep its argument '{key}', so it cannot be written down.")
        value = getattr(layer, key)
        args[key] = (value is not None) if key == "bias" and not isinstance(value, bool) else _plain(name, value)
    return {"class": name, "args": args}


def make(described: Mapping[str, Any]) -> nn.Module:
    """The inverse of :func:`describe`, with fresh weights. Raises :class:`SettingError` where it is none of PyTorch's
    layers."""
    name = str(described.get("class"))
    known = _class(name)
    if known is None:
        raise SettingError(f"{name} is no layer of PyTorch.")
    args = {key: tuple(value) if isinstance(value, list) else value for key, value in described["args"].items()}
    try:
        return known(**args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"No layer {name} can be made like this ({error}).") from None


def _class(name: str) -> type[nn.Module] | None:
    if name in _OURS:
        return _OURS[name]
    known = getattr(nn, name, None)
    return known if isinstance(known, type) and issubclass(known, nn.Module) else None


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(name, part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SettingError(f"{name} has an argument {type(value).__name__}, so it cannot be written down.")


def _attention(layer: nn.MultiheadAttention) -> dict[str, Any]:
    return {
        "embed_dim": layer.embed_dim,
        "num_heads": layer.num_heads,
        "dropout": layer.dropout,
        "bias": layer.in_proj_bias is not None,
        "add_bias_kv": layer.bias_k is not None,
        "add_zero_attn": layer.add_zero_attn,
        "kdim": layer.kdim,
        "vdim": layer.vdim,
        "batch_first": layer.batch_first,
    }


def resized(layer: nn.Module, lengths: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """:func:`describe` of a layer whose tensors have other ``lengths``, by their names."""
    described = describe(layer)
    args = described["args"]
    if "weight" not in lengths:
        if "value" in lengths:
            args["shape"] = list(lengths["value"])
        elif "running_mean" in lengths:
            args["num_features"] = lengths["running_mean"][0]
        return described
    weight = lengths["weight"]
    if "in_channels" in args:
        transposed = bool(getattr(layer, "transposed", False))
        made, read = (weight[1], weight[0]) if transposed else weight[:2]
        if args["groups"] > 1:
            whole = args["in_channels"] if transposed else args["out_channels"]
            groups = args["groups"] * weight[0] // whole  # dimension 0 is cut group by group
            made, read = (weight[1] * groups, weight[0]) if transposed else (weight[0], weight[1] * groups)
            args["groups"] = groups
        args["out_channels"], args["in_channels"] = made, read
    elif "in_features" in args:
        args["out_features"], args["in_features"] = weight
    elif "num_features" in args:
        args["num_features"] = weight[0]
    elif "normalized_shape" in args:
        args["normalized_shape"] = [weight[0]]
    elif "num_channels" in args:
        args["num_groups"] = args["num_groups"] * weight[0] // args["num_channels"]
        args["num_channels"] = weight[0]
    elif "num_parameters" in args:
        args["num_parameters"] = weight[0]
    return described


def copied(layer: nn.Module) -> nn.Module:
    """The very layer, on the device where layers are made now."""
    import copy

    return copy.deepcopy(layer).to(torch.empty(0).device)


__all__ = ["copied", "describe", "make", "resized"]
