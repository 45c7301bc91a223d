"""Forward passes that follow shapes alone, quickly."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class Shapes(TorchDispatchMode):
    """Within it, ReLU and batch normalisation of tensors on the ``meta`` device give an empty tensor like their input.

    The same as without it, but PyTorch decomposes these two in Python there: most of the time of a pass over shapes,
    and the first one imports the compiler.
    """

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (aten.relu.default, aten.native_batch_norm.default):
            made = torch.empty_like(args[0])
            return made if function is aten.relu.default else (made, made.new_empty(0), made.new_empty(0))
        return function(*args, **(kwargs or {}))


__all__ = ["Shapes"]
