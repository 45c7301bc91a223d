"""Forward passes that follow shapes alone, quickly."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class Shapes(TorchDispatchMode):
    """Within it, common operators on tensors of the ``meta`` device give an empty tensor of the right shape at once.

    The same as without it, but PyTorch decomposes these in Python there, which is most of the time of a pass over
    shapes, and the first one imports the compiler, which takes seconds. Tensors of other devices are left alone.
    Gradients are off, and inference mode with them, where PyTorch would not take operators apart before they come here.
    """

    def __enter__(self) -> Self:
        self._modes = contextlib.ExitStack()
        self._modes.enter_context(torch.inference_mode(False))
        self._modes.enter_context(torch.no_grad())
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._modes.close()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether the compiler is imported to be kept out of here, which is PyTorch's default."""
        return False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = _RULES.get(function) if args and _on_meta(args[0]) else None
        found = NotImplemented if rule is None else rule(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {})) if found is NotImplemented else found


def _on_meta(value: Any) -> bool:
    first = value[0] if isinstance(value, list | tuple) else value
    return isinstance(first, Tensor) and first.is_meta


def _batch_norm(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty(0), x.new_empty(0)


def _add(one: Tensor, two: Any, alpha: float = 1) -> Any:
    alike = isinstance(two, Tensor) and (one.shape, one.stride(), one.dtype) == (two.shape, two.stride(), two.dtype)
    return torch.empty_like(one) if alike else NotImplemented


def _mean(x: Tensor, dim: Any, keepdim: bool = False, dtype: Any = None) -> Any:
    return x.sum(dim, keepdim) if dtype is None and x.is_floating_point() else NotImplemented


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    first = tensors[0]
    rest = [(*one.shape[:dim], *one.shape[dim + 1 :]) for one in tensors]
    plain = all(one.is_contiguous() and one.dtype == first.dtype for one in tensors)
    if dim < 0 or not plain or any(one != rest[0] for one in rest):
        return NotImplemented
    return first.new_empty(*first.shape[:dim], sum(one.shape[dim] for one in tensors), *first.shape[dim + 1 :])


def _addmm(bias: Tensor, one: Tensor, two: Tensor, **scales: Any) -> Any:
    return one.new_empty(one.shape[0], two.shape[1]) if one.shape[1] == two.shape[0] else NotImplemented


_RULES: Mapping[Any, Callable[..., Any]] = {
    aten.relu.default: torch.empty_like,
    aten.native_batch_norm.default: _batch_norm,
    aten.add.Tensor: _add,
    aten.mean.dim: _mean,
    aten.cat.default: _cat,
    aten.addmm.default: _addmm,
}

__all__ = ["Shapes"]
