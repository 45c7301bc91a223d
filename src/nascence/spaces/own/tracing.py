"""From a module to a graph of PyTorch's layers and functions.

What cannot be traced stays one box of the graph, with the reason. The graph is that of evaluation; layers that differ
between training and evaluation (dropout, batch normalisation) are layers in it and go on doing so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import fx, nn

from nascence.errors import SettingError
from nascence.spaces.own.loose import loosened
from nascence.tasks.base import Signature

_ATTEMPTS = 40
_TOLERANCE = 1e-4
_DROPOUTS: Mapping[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    torch.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
}
_WEIGHTY = (nn.modules.conv._ConvNd, nn.Linear)


@final
@dataclass(frozen=True)
class Traced:
    """``network``: every parameter is in a layer that is called. ``whole``: what could not be traced, by its name, and
    why."""

    network: fx.GraphModule
    whole: Mapping[str, str]


def trace(module: nn.Module, signature: Signature) -> Traced:
    """Raises :class:`SettingError`, in one sentence, where ``module`` cannot be traced at all, has no convolution and
    no linear layer, or gives something else than the task expects."""
    name = type(module).__name__
    if not isinstance(module, nn.Module):
        raise SettingError(f"A network must be a torch.nn.Module, not {name}.")
    if not any(isinstance(layer, _WEIGHTY) for layer in module.modules()):
        raise SettingError(f"The network {name} has no convolution and no linear layer, so there is nothing to thin.")
    try:
        own = copy.deepcopy(module).cpu().eval()
    except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
        raise SettingError(f"The network {name} cannot be copied ({_told(error)}).") from None
    for layer in own.modules():
        if getattr(layer, "inplace", None) is True:
            layer.inplace = False  # type: ignore[assignment]  # a branch that is left out must not have changed its input
    output = _called(own, signature)
    whole: dict[str, str] = {}
    for _ in range(_ATTEMPTS):
        tracer = _Tracer(whole)
        try:
            graph = tracer.trace(own)
            break
        except Exception as error:  # noqa: BLE001 - likewise
            if tracer.failed is None:
                raise SettingError(
                    f"The network {name} cannot be traced: its forward does what depends on the values of tensors "
                    f"({_told(error)})."
                ) from None
            whole[tracer.failed] = f"cannot be traced ({_told(error)})"
    else:
        raise SettingError(f"The network {name} cannot be traced: more than {_ATTEMPTS} of its parts cannot.")
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    for node in inputs[1:]:
        if node.users:
            raise SettingError(
                f"The network {name} takes {len(inputs)} inputs ({node.target}, ...), and a task has one."
            )
        graph.erase_node(node)
    network = fx.GraphModule(own, graph, name)
    _give_layers(network, name)
    network.graph.eliminate_dead_code()
    network.delete_all_unused_submodules()
    network.recompile()
    network.eval()
    difference = float((_called(network, signature) - output).abs().max())
    if not difference <= _TOLERANCE * max(float(output.abs().max()), 1e-3):
        raise SettingError(
            f"The network {name} cannot be traced: its graph computes something else ({difference:.2g} off)."
        )
    return Traced(network, whole)


class _Tracer(fx.Tracer):
    """``failed``: the innermost module whose forward could not be traced, below the root."""

    def __init__(self, whole: Mapping[str, str]) -> None:
        super().__init__()
        self.whole = whole
        self.failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name in self.whole or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            if self.failed is None:
                self.failed = self.path_of_module(m)
            raise


def _called(module: nn.Module, signature: Signature) -> torch.Tensor:
    """Outputs of three random inputs, of the shape that the task expects. Raises :class:`SettingError`."""
    name = type(module).__name__
    count = 3
    random = torch.Generator().manual_seed(0)
    (zeros,) = signature.example(count)
    images = torch.rand(zeros.shape, generator=random)
    try:
        with torch.no_grad():
            output = module(images)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - likewise
        raise SettingError(
            f"The network {name} cannot be called with images {list(zeros.shape[1:])} of this task ({_told(error)})."
        ) from None
    expected: tuple[int, ...] = (count, signature.outputs)
    if signature.dense:
        expected += tuple(signature.scale * side for side in signature.size)
    if not isinstance(output, torch.Tensor) or tuple(output.shape) != expected:
        found = f"a tensor {list(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
        raise SettingError(
            f"The network {name} gives {found} for {count} images, where this task expects {list(expected)}."
        )
    if not bool(torch.isfinite(output).all()):
        raise SettingError(f"The network {name} gives outputs that are no finite numbers.")
    return output


def _give_layers(network: fx.GraphModule, name: str) -> None:
    """Every parameter, constant and dropout of the graph as a layer that is called."""
    called = {str(node.target) for node in network.graph.nodes if node.op == "call_module"}
    for node in list(network.graph.nodes):
        if node.op == "get_attr":
            owner, _, attribute = str(node.target).rpartition(".")
            if owner in called:
                raise SettingError(f"The network {name} cannot be traced: it uses {node.target} outside of its layer.")
            home = network.get_submodule(owner)
            value = getattr(home, attribute)
            if isinstance(value, torch.Tensor):
                delattr(home, attribute)
                home.add_module(attribute, loosened(value))
            _replace(network, node, str(node.target), ())
        elif node.op == "call_module" and type(network.get_submodule(str(node.target))) is nn.Identity:
            node.replace_all_uses_with(node.args[0])
            network.graph.erase_node(node)
        elif (
            node.op == "call_function"
            and node.target in _DROPOUTS
            and ("training" in node.kwargs or len(node.args) > 2)
        ):
            rate = node.args[1] if len(node.args) > 1 else node.kwargs.get("p", 0.5)
            network.add_submodule(node.name, _DROPOUTS[node.target](rate))
            _replace(network, node, node.name, (node.args[0] if node.args else node.kwargs["input"],))


def _replace(network: fx.GraphModule, node: fx.Node, target: str, args: Any) -> None:
    with network.graph.inserting_before(node):
        new = network.graph.call_module(target, args)
    node.replace_all_uses_with(new)
    network.graph.erase_node(node)


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


__all__ = ["Traced", "trace"]
