"""The ``forward`` of one module, spelled out as statements.

The module is traced in evaluation mode with its direct children as black boxes, so that loops over edges, options that
are off and everything meant for training only are gone from what is written down.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from nascence.errors import NascenceError

_BINARY = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//"}
_ATOM, _PRODUCT, _SUM = 3, 2, 1
_PRECEDENCE = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT}


@dataclass(frozen=True)
class Forward:
    """Names of the inputs, statements, and the paths of the submodules that are called."""

    inputs: tuple[str, ...]
    lines: tuple[str, ...]
    called: frozenset[str]


def spell_out(module: nn.Module, num_inputs: int) -> Forward:
    """The statements of ``module``'s forward in evaluation mode. Raises :class:`NascenceError` where a step cannot be
    written with PyTorch alone."""
    graph = _Tracer(num_inputs).trace(module)
    graph.eliminate_dead_code(is_impure_node=lambda node: node.op in ("placeholder", "output"))
    called = frozenset(str(node.target) for node in graph.nodes if node.op == "call_module")
    writer = _Writer(module, graph)
    writer.write()
    inputs = [writer.names[node] for node in graph.nodes if node.op == "placeholder"]
    if writer.fresh == 1:  # a single variable needs no number
        return Forward(("x",), tuple(line.replace(inputs[0], "x") for line in writer.lines), called)
    return Forward(tuple(inputs), tuple(writer.lines), called)


class _Tracer(fx.Tracer):
    """Traces a module whose children are black boxes and that may take ``*inputs``."""

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.num_inputs = num_inputs

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        inputs = [self.create_proxy("placeholder", f"x{i}", (), {}) for i in range(self.num_inputs)]
        return root_fn, [self.root, *inputs]


@dataclass(frozen=True)
class _Loop:
    """``for item in self.<path>``: every child takes the last ``width`` values and appends its own."""

    path: str
    first: tuple[fx.Node, ...]
    calls: tuple[fx.Node, ...]


@dataclass
class _Writer:
    module: nn.Module
    graph: fx.Graph
    names: dict[fx.Node, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    fresh: int = 0

    def write(self) -> None:
        loops = {loop.calls[0]: loop for loop in self._loops()}
        looped = {call for loop in loops.values() for call in loop.calls}
        for node in self.graph.nodes:
            if node.op == "placeholder":
                self.names[node] = self._new()
            elif node.op == "output":
                self.lines.append(f"return {self._text(node.args[0])}")
            elif node in loops:
                self._write_loop(loops[node])
            elif node not in looped and not self._inline(node):
                self._assign(node)

    def _assign(self, node: fx.Node) -> None:
        text = self._text(node, top=True)
        self.names[node] = self._recycled([node]) or self._new()
        self.lines.append(f"{self.names[node]} = {text}")

    def _write_loop(self, loop: _Loop) -> None:
        item = loop.path.rsplit(".", 1)[-1].removesuffix("s")
        inits = [self._text(node) for node in loop.first]
        reused = self._recycled(list(loop.calls))
        names = [reused or self._new(), *(self._new() for _ in inits[1:])]
        if set(inits) == {names[0]} or (len(inits) == 1 and inits != names):
            self.lines += [f"{name} = {inits[0]}" for name in names if name != inits[0]]
        elif inits != names:
            self.lines.append(f"{', '.join(names)} = {', '.join(inits)}")
        call = f"{item}({', '.join(names)})"
        self.lines += [f"for {item} in self.{loop.path}:", f"    {', '.join(names)} = {', '.join([*names[1:], call])}"]
        self.names[loop.calls[-1]] = names[-1]

    def _new(self) -> str:
        self.fresh += 1
        return f"x{self.fresh - 1}"

    def _inline(self, node: fx.Node) -> bool:
        """Whether the value is written where it is used: once, and it is not the whole sum that makes a cell's node."""
        if len(node.users) != 1:
            return False
        (user,) = node.users
        summed = node.target is operator.add or (node.op == "call_method" and node.target == "sum")
        goes_on = user.op == "output" or user.target is operator.add
        return (not summed or goes_on) and self._uses(user, node) == 1

    @staticmethod
    def _uses(user: fx.Node, node: fx.Node) -> int:
        count = 0

        def tally(arg: fx.Node) -> fx.Node:
            nonlocal count
            count += arg is node
            return arg

        fx.node.map_arg((user.args, user.kwargs), tally)
        return count

    def _recycled(self, nodes: list[fx.Node]) -> str | None:
        """The name of the only variable that ``nodes`` read, if nothing reads it after them."""
        statement, frontier = set(nodes), list(nodes)
        variables: set[fx.Node] = set()
        while frontier:
            for source in frontier.pop().all_input_nodes:
                if source in statement:
                    continue
                if source in self.names:
                    variables.add(source)
                else:
                    statement.add(source)
                    frontier.append(source)
        if len(variables) != 1:
            return None
        (variable,) = variables
        return self.names[variable] if set(variable.users) <= statement else None

    def _loops(self) -> Iterator[_Loop]:
        calls = [node for node in self.graph.nodes if node.op == "call_module"]
        for path, children in self.module.named_modules():
            if not isinstance(children, nn.ModuleList) or len(children) < 3:
                continue
            mine = [node for node in calls if str(node.target).rpartition(".")[0] == path]
            if [node.target for node in mine] != [f"{path}.{i}" for i in range(len(children))]:
                continue
            width = len(mine[0].args)
            values = [*mine[0].args, *mine]
            chained = all(list(node.args) == values[i : i + width] and not node.kwargs for i, node in enumerate(mine))
            if width and chained and all(set(node.users) <= set(mine) for node in mine[:-1]):
                yield _Loop(path, tuple(mine[0].args), tuple(mine))

    def _text(self, value: Any, top: bool = False, above: int = 0) -> str:
        if isinstance(value, fx.Node):
            if value in self.names and not top:
                return self.names[value]
            text, precedence = self._expression(value)
            return f"({text})" if precedence < above else text
        if isinstance(value, slice):
            parts = ["" if part is None else self._text(part) for part in (value.start, value.stop)]
            return ":".join(parts if value.step is None else [*parts, self._text(value.step)])
        if isinstance(value, list):
            return f"[{', '.join(self._text(part) for part in value)}]"
        if isinstance(value, tuple):
            return f"({', '.join(self._text(part) for part in value)}{',' if len(value) == 1 else ''})"
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        raise NascenceError(f"The constant {value!r} in {type(self.module).__name__}.forward cannot be exported.")

    def _expression(self, node: fx.Node) -> tuple[str, int]:
        args, target = node.args, node.target
        if node.op == "call_module":
            return f"{self._path(str(target))}{self._call(args, node.kwargs)}", _ATOM
        if node.op == "call_method":
            return f"{self._text(args[0], above=_ATOM)}.{target}{self._call(args[1:], node.kwargs)}", _ATOM
        if node.op == "call_function" and target in _BINARY:
            sign = _BINARY[target]
            at = _PRECEDENCE[sign]
            return f"{self._text(args[0], above=at)} {sign} {self._text(args[1], above=at + 1)}", at
        if node.op == "call_function" and target is operator.getitem:
            keys = args[1] if isinstance(args[1], tuple) else (args[1],)
            return f"{self._text(args[0], above=_ATOM)}[{', '.join(self._text(key) for key in keys)}]", _ATOM
        if node.op == "call_function" and target is getattr:
            return f"{self._text(args[0], above=_ATOM)}.{args[1]}", _ATOM
        for home, prefix in ((torch, "torch"), (nn.functional, "nn.functional")):
            name = getattr(target, "__name__", "")
            if node.op == "call_function" and getattr(home, name, None) is target:
                return f"{prefix}.{name}{self._call(args, _without_defaults(target, node.kwargs))}", _ATOM
        raise NascenceError(f"The step '{target}' in {type(self.module).__name__}.forward cannot be exported.")

    def _call(self, args: Any, kwargs: Any) -> str:
        texts = [self._text(arg) for arg in args] + [f"{name}={self._text(arg)}" for name, arg in kwargs.items()]
        return f"({', '.join(texts)})"

    def _path(self, target: str) -> str:
        text, module = "self", self.module
        for part in target.split("."):
            text += f"[{part}]" if isinstance(module, nn.ModuleList | nn.Sequential) else f".{part}"
            module = module.get_submodule(part)
        return text


def _without_defaults(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # functions written in C have no signature
        return kwargs
    return {name: arg for name, arg in kwargs.items() if name not in parameters or parameters[name].default != arg}


__all__ = ["Forward", "spell_out"]
