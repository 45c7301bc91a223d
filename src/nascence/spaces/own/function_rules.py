"""What functions and methods of tensors do to the numbers of channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, fx, nn

from nascence.spaces.own.labels import NONE, PINNED, Labelled, kind_of, tensors, varies, zeros

_MOVES = frozenset(
    """reshape view flatten unflatten permute transpose swapaxes swapdims movedim squeeze unsqueeze cat concat
    concatenate stack chunk split unbind getitem contiguous clone expand expand_as repeat roll flip narrow pixel_shuffle
    pixel_unshuffle channel_shuffle t detach to float""".split()  # noqa: SIM905 - words are read more easily like this
)
_ELEMENTWISE = frozenset(
    """add sub mul truediv div neg abs exp log sqrt rsqrt pow square clamp clamp_min maximum minimum where lerp relu
    relu6 gelu silu mish sigmoid tanh softplus elu selu celu leaky_relu hardswish hardsigmoid hardtanh logsigmoid rsub
    multiply subtract softsign""".split()  # noqa: SIM905
)
_SPATIAL = frozenset(
    """max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_max_pool2d interpolate upsample mean sum amax amin boolean_dispatch""".split()  # noqa: SIM905
)
_REDUCTIONS = ("mean", "sum", "amax", "amin")


@final
class FunctionRules:
    """``found``: where numbers are made, tied and pinned."""

    def __init__(self, found: Labelled) -> None:
        self.found = found

    def call(self, node: fx.Node, args: Any, kwargs: Any, output: Any) -> Any:
        """The numbers of what a function or method gives; ``args``, ``kwargs``: numbers, ``output``: shapes."""
        kind = kind_of(node)
        if node.target is getattr:
            known = isinstance(args[0], Tensor) and args[1] in ("data", "T", "mT")
            return getattr(args[0], args[1]) if known else self.unknown(node, args, kwargs, output)
        if kind in _MOVES:
            return self.move(node, args, kwargs, output, kind)
        if kind in _ELEMENTWISE:
            return self.meet(tensors((args, kwargs)), output)
        if kind == "pad" or kind in _SPATIAL:
            return self.pad(node, args, kwargs, output) if kind == "pad" else self.spatial(node, args, output)
        if kind in ("matmul", "bmm"):
            return self.product(node, args[0], args[1], output)
        if kind == "scaled_dot_product_attention" and len(tensors((args, kwargs))) == 3:
            return self.attention(node, tensors((args, kwargs)), output)
        if kind in ("softmax", "log_softmax"):
            return self.softmax(node, args[0], _softmax_dim(node), output)
        return self.unknown(node, args, kwargs, output)

    def pin_all(self, value: Any, reason: str) -> None:
        for each in tensors(value):
            self.found.pin(each, reason)

    def move(
        self, node: fx.Node, args: Any, kwargs: Any, output: Any, kind: str, layer: nn.Module | None = None
    ) -> Any:
        if kind == "getitem" and isinstance(args[0], tuple | list):
            place: Any = node.args[1]
            return args[0][place]
        moved_args = _filled(node.args, args, self._ints)
        moved_kwargs = _filled(node.kwargs, kwargs, self._ints)
        try:
            moved = layer(*moved_args) if layer is not None else _call(node, moved_args, moved_kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return self.unknown(node, args, kwargs, output)
        if kind in ("to", "float"):
            moved = args[0]
        outputs = tensors(moved)
        if kind == "getitem":
            self._part_of(args[0], node.args[1])
        if kind in ("chunk", "split"):
            dim = _dim(node, args[0].dim(), 2)
            longest = {each.shape[dim] for each in outputs}
            if len(longest) == 1:  # pieces of equal length stay so where they are the same channels
                self.found.equal.append((torch.stack([each.flatten() for each in outputs]), "pieces of a tensor"))
        self.found.shapes[node.name] = outputs
        return moved

    def _part_of(self, numbers: Tensor, index: Any) -> None:
        """Positions that are picked by their number must all stay."""
        keys = index if isinstance(index, tuple) else (index,)
        if any(key is None for key in keys):
            return
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys = (*keys[:at], *[slice(None)] * (numbers.dim() - len(keys) + 1), *keys[at + 1 :])
        for dim, key in enumerate(keys[: numbers.dim()]):
            if isinstance(key, slice) and (key.start, key.stop) == (None, None) and key.step in (None, 1):
                continue
            if varies(numbers, dim):
                rows = numbers.movedim(dim, 0).flatten(1)
                self.found.equal.append((rows, "positions of it are picked by their number"))

    def meet(self, numbers: Sequence[Tensor], output: Tensor) -> Tensor:
        """Element by element, with broadcasting."""
        shape = output.shape
        whole = torch.zeros(shape, dtype=torch.int64)
        spread = [each.expand(shape) for each in numbers]
        for each in spread:
            whole = torch.where(whole == NONE, each, whole)
        varying = [dim for dim in range(len(shape)) if varies(whole, dim)]
        for each, wide in zip(numbers, spread, strict=True):
            lengths = [1] * (len(shape) - each.dim()) + list(each.shape)
            broadcast = any(lengths[dim] == 1 < shape[dim] for dim in varying)
            if broadcast and bool((each > PINNED).any()) and bool((wide != whole).any()):
                self.found.pin(each, "it is one for all channels of another tensor")
            elif any(lengths[dim] > 1 for dim in varying) and bool(((wide == NONE) & (whole != NONE)).any()):
                self.found.pin(whole[(wide == NONE)], "it is added to what is no channel of a layer, such as the input")
                self.found.tie(wide, whole)
            else:
                self.found.tie(wide, whole)
        return whole

    def spatial(self, node: fx.Node, args: Any, output: Any) -> Any:
        """What looks at places within a channel, or makes one number of them."""
        numbers = tensors(args)[0]
        if not isinstance(output, Tensor):
            return self.unknown(node, args, {}, output)
        if output.dim() == numbers.dim():
            changed = [d for d in range(numbers.dim()) if output.shape[d] != numbers.shape[d]]
            looked = sorted({*changed, *range(2, numbers.dim())}) if kind_of(node) not in _REDUCTIONS else changed
            return self._mixed(numbers, looked).expand(output.shape)
        gone = _reduced_dims(node, numbers)
        if gone is None or numbers.dim() - len(gone) != output.dim():
            return self.unknown(node, args, {}, output)
        return self._mixed(numbers, gone).reshape(output.shape)

    def _mixed(self, numbers: Tensor, dims: Sequence[int]) -> Tensor:
        """What becomes one along ``dims``, which are then of length 1, goes together."""
        for dim in dims:
            if varies(numbers, dim):
                first = numbers.amax(dim, keepdim=True)
                self.found.tie(numbers, first.expand_as(numbers))
                self.found.pin(first[(numbers == NONE).any(dim, keepdim=True)], "it is mixed with what is no channel")
                numbers = first
            else:
                numbers = numbers.narrow(dim, 0, 1)
        return numbers

    def pad(self, node: fx.Node, args: Any, kwargs: Any, output: Tensor) -> Any:
        numbers = args[0]
        amounts = node.args[1] if len(node.args) > 1 else node.kwargs.get("pad")
        if not isinstance(amounts, tuple | list) or not all(isinstance(each, int) for each in amounts):
            return self.unknown(node, args, kwargs, output)
        if len(amounts) <= 2 * (numbers.dim() - 2) and not any(varies(numbers, d) for d in range(2, numbers.dim())):
            return self.spatial(node, args, output)
        return nn.functional.pad(numbers, list(amounts))  # more channels: those that are new are none

    def product(self, node: fx.Node, one: Any, other: Any, output: Tensor) -> Any:
        if not isinstance(one, Tensor) or not isinstance(other, Tensor) or min(one.dim(), other.dim()) < 2:
            return self.unknown(node, (one, other), {}, output)
        batch = output.shape[:-2]
        return self._matrices(node, [each.expand(*batch, *each.shape[-2:]) for each in (one, other)], output)

    def attention(self, node: fx.Node, three: Sequence[Tensor], output: Tensor) -> Tensor:
        made = self._matrices(node, three, output)
        value = three[2]
        return value.narrow(-2, 0, 1).expand(output.shape) if not varies(value, value.dim() - 2) else made

    def _matrices(self, node: fx.Node, parts: Sequence[Tensor], output: Tensor) -> Tensor:
        """All that a matrix is made of goes together: a head."""
        batch = output.shape[:-2]
        together = torch.cat([each.reshape(*batch, -1) for each in parts], -1).reshape(batch.numel(), -1)
        for row in together:
            self.found.tie_all(row)
            if bool((row == NONE).any()):
                self.found.pin(row, "it is multiplied with what is no channel")
        heads = together.amax(1)
        self.found.heads[node.name] = heads
        return heads.view(*batch, 1, 1).expand(output.shape)

    def softmax(self, node: fx.Node, numbers: Tensor, dim: int | None, output: Tensor) -> Any:
        if dim is None or varies(numbers, dim % numbers.dim()):
            return self.unknown(node, (numbers,), {}, output)
        return numbers

    def unknown(self, node: fx.Node, args: Any, kwargs: Any, output: Any) -> Any:
        self.pin_all((args, kwargs), f"'{kind_of(node)}' ({node.name}) is not known to leave channels apart")
        return zeros(output)

    def _ints(self, node: fx.Node) -> Any:
        return self.found.values[node.name]


def _reduced_dims(node: fx.Node, numbers: Tensor) -> list[int] | None:
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    dims = (dims,) if isinstance(dims, int) else dims
    if kind_of(node) not in _REDUCTIONS or not isinstance(dims, tuple | list):
        return None
    return sorted({dim % numbers.dim() for dim in dims if isinstance(dim, int)})


def _softmax_dim(node: fx.Node) -> int | None:
    dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    return dim if isinstance(dim, int) else None


def _dim(node: fx.Node, dims: int, place: int) -> int:
    dim = node.kwargs.get("dim", node.args[place] if len(node.args) > place else 0)
    return (dim if isinstance(dim, int) else 0) % dims


def _call(node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    target: Callable[..., Any] = node.target  # type: ignore[assignment]
    return target(*args, **kwargs)


def _filled(plain: Any, numbers: Any, ints: Callable[[fx.Node], Any]) -> Any:
    """Arguments with numbers for tensors, and the values of what is no tensor."""
    if isinstance(plain, fx.Node):
        return numbers if numbers is not None else ints(plain)
    if isinstance(plain, tuple | list):
        return type(plain)(_filled(a, b, ints) for a, b in zip(plain, numbers, strict=True))
    if isinstance(plain, dict):
        return {name: _filled(value, numbers[name], ints) for name, value in plain.items()}
    if isinstance(plain, slice):
        return slice(*(_filled(getattr(plain, n), getattr(numbers, n), ints) for n in ("start", "stop", "step")))
    return plain


__all__ = ["FunctionRules"]
