"""Readable source of a network: its modules as plain classes that need nothing but PyTorch.

Modules of PyTorch are written by their constructor arguments. Our own are grouped (same class, same statements); within
a group everything that is equal is written as a constant and everything that differs becomes a constructor argument
(anti-unification), so that the file holds what this network needs and no option beyond it.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from nascence.errors import NascenceError
from nascence.exporting.forward import Forward, spell_out
from nascence.spaces.cells import Cell

_WIDTH = 110
_ALSO_CHANNELS = ("num_features", "groups", "in_features", "out_features")
_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class _Arg:
    name: str
    value: Any
    default: Any = _REQUIRED
    comment: str = ""


@dataclass(frozen=True)
class _Call:
    """``function(args)``; a value of an argument is a constant, another call, or a reference to a parameter."""

    function: str
    args: tuple[_Arg, ...]
    positional: bool = False


@dataclass(frozen=True)
class _Reference:
    """Parameter ``at`` of the class, times or divided by a whole number."""

    at: int
    times: int = 1
    over: int = 1


@dataclass
class _Parameters:
    """What differs between the instances of a group: columns of one value per instance, and what each is used for."""

    columns: list[tuple[list[Any], list[str]]] = field(default_factory=list)

    def refer(self, name: str, values: list[Any]) -> _Reference:
        channels = _counts_channels(name)
        for at, (column, names) in enumerate(self.columns):
            if column == values and (name in names or (channels and _counts_channels(names[0]))):
                names.append(name)
                return _Reference(at)
        for at, (column, names) in enumerate(self.columns):
            if channels and _counts_channels(names[0]):
                if all(value % known == 0 for value, known in zip(values, column, strict=True)):
                    ratios = {value // known for value, known in zip(values, column, strict=True)}
                    if len(ratios) == 1:
                        return _Reference(at, times=ratios.pop())
                if all(value and known % value == 0 for value, known in zip(values, column, strict=True)):
                    ratios = {known // value for value, known in zip(values, column, strict=True)}
                    if len(ratios) == 1:
                        return _Reference(at, over=ratios.pop())
        self.columns.append((values, [name]))
        return _Reference(len(self.columns) - 1)

    def names(self) -> list[str]:
        wanted = []
        for _, names in self.columns:
            both = {"in_channels", "out_channels"} <= set(names)
            wanted.append("channels" if both else names[0].replace("num_features", "channels"))
        counts, seen, final = Counter(wanted), Counter[str](), []
        for name in wanted:
            final.append(f"{name}{seen[name]}" if counts[name] > 1 else name)
            seen[name] += 1
        return final


@dataclass
class _Group:
    """Instances of one class that are written as one class."""

    base: type[nn.Module]
    forward: Forward | None
    instances: list[nn.Module] = field(default_factory=list)
    name: str = ""
    parameters: _Parameters = field(default_factory=_Parameters)
    children: dict[str, Any] = field(default_factory=dict)
    settled: bool | None = False  # None while its parts are being settled
    used: bool = False

    def call(self, instance: nn.Module) -> _Call:
        self.used = True
        at = next(i for i, module in enumerate(self.instances) if module is instance)
        pairs = zip(self.parameters.names(), self.parameters.columns, strict=True)
        args = [_Arg(name, values[at]) for name, (values, _) in pairs]
        return _Call(self.name, tuple(args))


def write_classes(network: nn.Module, example_BCHW: Tensor, docstring: str) -> str:
    """Source of classes the last of which, ``Network``, takes no arguments and has the state dictionary of ``network``
    (without modules that only training uses). Raises :class:`NascenceError` where that cannot be done."""
    return _Source(network, example_BCHW, docstring).text()


class _Source:
    def __init__(self, network: nn.Module, example_BCHW: Tensor, docstring: str) -> None:
        self.network, self.docstring = network, docstring
        self.groups: dict[Any, _Group] = {}
        self.group_of: dict[nn.Module, _Group] = {}
        self.order: list[_Group] = []
        self.verbatim: dict[str, str] = {}
        self._group_modules(_count_inputs(network, example_BCHW))

    def text(self) -> str:
        root = self.group_of[self.network]
        self._settle(root)
        classes = [self._write_class(group) for group in self.order if group.used or group is root]
        return "\n\n\n".join([*self.verbatim.values(), *classes]) + "\n"

    def _group_modules(self, inputs: dict[nn.Module, int]) -> None:
        for module in self.network.modules():
            if module not in inputs or _is_torch(module) or not any(True for _ in module.children()):
                continue
            if type(module).forward is nn.Sequential.forward:
                key: Any = (type(module), tuple(type(child) for child in module.children()))
                forward = None
            else:
                forward = spell_out(module, inputs[module])
                key = (type(module), getattr(module, "kind", None), forward)
            self.group_of[module] = self.groups.setdefault(key, _Group(type(module), forward))
            self.group_of[module].instances.append(module)
        taken = Counter[str]()
        for group in self.groups.values():
            name = _class_name(group.instances[0])
            taken[name] += 1
            group.name = name if taken[name] == 1 else f"{name}{taken[name]}"
        self.group_of[self.network].name = "Network"

    def _settle(self, group: _Group) -> None:
        if group.settled is None:
            raise NascenceError(f"{group.name} contains itself; such a network cannot be exported as Python.")
        if group.settled:
            return
        group.settled = None
        for instance in group.instances:
            if any(True for _ in instance.parameters(recurse=False)):
                raise NascenceError(f"{group.name} has parameters and submodules; it cannot be exported as Python.")
            for module in list(instance.modules())[1:]:
                if module in self.group_of:
                    self._settle(self.group_of[module])
        called = group.forward.called if group.forward else None
        for name, _ in group.instances[0].named_children():
            if called is None or any(path == name or path.startswith(f"{name}.") for path in called):
                nodes = [self._node(instance.get_submodule(name), instance) for instance in group.instances]
                group.children[name] = _unify(nodes, name, group.parameters)
        group.settled = True
        self.order.append(group)

    def _node(self, module: nn.Module, parent: nn.Module) -> Any:
        if module in self.group_of:
            group = self.group_of[module]
            children = list(module.children())
            if group.forward is None and len(children) == 1 and not module.state_dict():
                return self._node(children[0], module)  # a wrapper around one module without weights
            return group.call(module)
        if isinstance(module, nn.Sequential | nn.ModuleList):
            edges = parent.edges if isinstance(parent, Cell) and module is parent.operations else []
            comments = [f"{source} -> {target}" for source, target in edges] or [""] * len(module)
            pairs = zip(module, comments, strict=True)
            args = [_Arg(str(i), self._node(child, module), comment=text) for i, (child, text) in enumerate(pairs)]
            return _Call(f"nn.{type(module).__name__}", tuple(args), positional=True)
        if not _is_torch(module):
            self.verbatim.setdefault(type(module).__name__, inspect.getsource(type(module)).rstrip())
            return _constructor(module, type(module).__name__)
        return _constructor(module, f"nn.{type(module).__name__}")

    def _write_class(self, group: _Group) -> str:
        names, sequential = group.parameters.names(), group.forward is None
        columns = [values for values, _ in group.parameters.columns]
        types = ["nn.Module" if isinstance(values[0], _Call) else type(values[0]).__name__ for values in columns]
        order = sorted(range(len(names)), key=lambda at: not _counts_channels(names[at]))
        signature = "".join(f", {names[at]}: {types[at]}" for at in order)
        lines = [f"class {group.name}(nn.{'Sequential' if sequential else 'Module'}):"]
        lines += [*_docstring(self._describe(group)), "", f"    def __init__(self{signature}) -> None:"]
        if sequential:
            parts = _Call("super().__init__", tuple(_Arg(n, c) for n, c in group.children.items()), positional=True)
            return "\n".join([*lines, *_wrap(_show(parts, names), 8)])
        lines.append("        super().__init__()")
        for name, child in group.children.items():
            lines += _wrap(_show(child, names), 8, f"self.{name} = ")
        assert group.forward is not None
        inputs = "".join(f", {name}: Tensor" for name in group.forward.inputs)
        lines += ["", f"    def forward(self{inputs}) -> Tensor:"]
        for line in group.forward.lines:
            bare = line.lstrip()
            lines += _wrap(_Line(bare), 8 + len(line) - len(bare))
        return "\n".join(lines)

    def _describe(self, group: _Group) -> str:
        first = group.instances[0]
        if first is self.network:
            return self.docstring
        if isinstance(first, Cell):
            return "The cell." if first.kind == "cell" else f"The {first.kind} cell."
        text = " ".join(inspect.cleandoc(group.base.__doc__ or group.name).replace("``", "").split())
        return text.split(". ")[0].rstrip(".").replace('"""', "'''") + "."


def _count_inputs(network: nn.Module, example_BCHW: Tensor) -> dict[nn.Module, int]:
    """How many inputs each module gets; modules that evaluation never calls are left out."""
    counts: dict[nn.Module, int] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: counts.__setitem__(module, len(args)))
        for module in network.modules()
    ]
    try:
        with torch.no_grad():
            network(example_BCHW)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _is_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _class_name(module: nn.Module) -> str:
    name, kind = type(module).__name__.lstrip("_"), getattr(module, "kind", "")
    return name if not isinstance(kind, str) or kind.lower() in name.lower() else f"{kind.capitalize()}{name}"


def _constructor(module: nn.Module, function: str) -> _Call:
    """The call that makes ``module``, from the attributes of the same names as its constructor's arguments."""
    args = []
    for name, parameter in inspect.signature(type(module).__init__).parameters.items():
        if name in ("self", "device", "dtype") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not hasattr(module, name):
            raise NascenceError(f"{function} does not keep its argument '{name}'; it cannot be exported as Python.")
        value = getattr(module, name)
        if name == "bias":
            value = value is not None
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        args.append(_Arg(name, value, parameter.default))
    return _Call(function, tuple(args))


def _unify(values: Sequence[Any], name: str, parameters: _Parameters) -> Any:
    first = values[0]
    if all(type(value) is type(first) and value == first for value in values):
        return first
    if isinstance(first, _Call) and all(_same_form(first, value) for value in values):
        args = []
        for at, arg in enumerate(first.args):
            inner = f"{name}_{arg.name}" if first.positional else arg.name
            args.append(replace(arg, value=_unify([value.args[at].value for value in values], inner, parameters)))
        return replace(first, args=tuple(args))
    return parameters.refer(name, list(values))


def _same_form(first: _Call, other: Any) -> bool:
    return (
        isinstance(other, _Call)
        and other.function == first.function
        and [arg.name for arg in other.args] == [arg.name for arg in first.args]
    )


def _counts_channels(name: str) -> bool:
    return "channels" in name or name in _ALSO_CHANNELS


@dataclass(frozen=True)
class _Line:
    """Text, and for a call its parts, so that it can be broken over lines. ``comment`` stands behind it."""

    text: str
    head: str = ""
    parts: tuple[_Line, ...] = ()
    tail: str = ""
    comment: str = ""


def _show(value: Any, names: Sequence[str], prefix: str = "", comment: str = "") -> _Line:
    if isinstance(value, _Reference):
        name = names[value.at]
        text = f"{name} // {value.over}" if value.over > 1 else f"{value.times} * {name}" if value.times > 1 else name
        return _Line(prefix + text, comment=comment)
    if not isinstance(value, _Call):
        return _Line(prefix + repr(value), comment=comment)
    opening, closing = ("([", "])") if value.function == "nn.ModuleList" else ("(", ")")
    parts = list(_arguments(value, names))
    head = f"{prefix}{value.function}{opening}"
    text = head + ", ".join(part.text for part in parts) + closing
    return _Line(text, head, tuple(parts), closing, comment)


def _arguments(call: _Call, names: Sequence[str]) -> list[_Line]:
    if not call.positional:
        ordered = sorted(call.args, key=lambda arg: not (_counts_channels(arg.name) or call.function.startswith("nn.")))
        shown = []
        for arg in ordered:
            required = arg.default is _REQUIRED
            if not required and not isinstance(arg.value, _Reference) and arg.value == arg.default:
                continue
            bare = required and (_counts_channels(arg.name) or call.function.startswith("nn."))
            shown.append(_show(arg.value, names, "" if bare else f"{arg.name}="))
        return shown
    lines = []
    for (value, comment), run in groupby(call.args, key=lambda arg: (arg.value, arg.comment)):
        count = len(list(run))
        line = _show(value, names, comment=comment)
        many = count > 2 and not comment
        lines += [_Line(f"*({line.text} for _ in range({count}))")] if many else [line] * count
    return lines


def _docstring(text: str) -> list[str]:
    lines = textwrap.wrap(f'"""{text}"""', _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4)
    return lines if len(lines) == 1 else [*lines[:-1], lines[-1].removesuffix('"""'), '    """']


def _wrap(line: _Line, indent: int, prefix: str = "", suffix: str = "") -> list[str]:
    """``line`` on one line where it fits and has no comments inside, else its parts below each other."""
    comment = f"  # {line.comment}" if line.comment else ""
    one = " " * indent + prefix + line.text + suffix + comment
    if not line.parts or (len(one) <= _WIDTH and not any(part.comment for part in line.parts)):
        return [one] if len(one) <= _WIDTH or line.parts else _break(line.text, indent, prefix, suffix + comment)
    lines = [" " * indent + prefix + line.head]
    for part in line.parts:
        lines += _wrap(part, indent + 4, suffix=",")
    return [*lines, " " * indent + line.tail + suffix + comment]


def _break(text: str, indent: int, prefix: str, suffix: str) -> list[str]:
    """A long statement, broken inside its outermost brackets."""
    start, end = text.find("("), text.rfind(")")
    if start < 0 or " " not in text[start:end]:
        return [" " * indent + prefix + text + suffix]
    inner = " " * (indent + 4) + text[start + 1 : end]
    return [" " * indent + prefix + text[: start + 1], inner, " " * indent + text[end:] + suffix]


__all__ = ["write_classes"]
