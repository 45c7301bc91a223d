"""Which channels hang together: every element of every tensor of a graph gets the number of the channel it belongs to.

The numbers travel through the graph beside shapes (:mod:`nascence.spaces.own.following`). Whatever moves elements
(reshape, transpose, cat, pixel shuffle) moves their numbers; where elements meet (an addition, an attention head, a
group of a convolution) their numbers are tied; where a layer makes new channels there are new numbers; what is not
understood ties them to what always stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, fx

NONE, PINNED = 0, 1
"""Numbers of what is no channel, and of what always stays."""


@final
@dataclass
class Labelled:
    """What was found on the way. Vectors of numbers are of one dimension of a tensor.

    ``layers``: per layer and tensor of it, a vector for every dimension (None: not a matter of channels). ``reads``:
    per node the dimension of its input that is read, and the vector. ``producers``: vectors of new channels.
    ``shapes``: per node that names sizes, a tensor of numbers of each of its outputs. ``heads``: per product of
    tensors one number for every matrix. ``equal``: what must be the same channels along its first dimension, and why.
    ``asked``: per node that asks for a shape, the numbers of the tensor. ``values``: per node its output, as a shape.
    ``flops``: per node.
    """

    layers: dict[str, dict[str, list[Tensor | None]]] = field(default_factory=dict)
    reads: dict[str, tuple[int, Tensor]] = field(default_factory=dict)
    producers: dict[str, Tensor] = field(default_factory=dict)
    shapes: dict[str, list[Tensor]] = field(default_factory=dict)
    heads: dict[str, Tensor] = field(default_factory=dict)
    equal: list[tuple[Tensor, str]] = field(default_factory=list)
    edges: list[Tensor] = field(default_factory=list)
    pins: list[tuple[Tensor, str]] = field(default_factory=list)
    asked: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)
    count: int = 2

    def fresh(self, *shape: int) -> Tensor:
        size = 1
        for length in shape:
            size *= length
        self.count += size
        return torch.arange(self.count - size, self.count).view(shape)

    def tie(self, one: Tensor, other: Tensor) -> None:
        """Numbers of two tensors of one shape, pair by pair, but where one is of no channel."""
        one, other = one.reshape(-1), other.reshape(-1)
        meet = (one != other) & (one != NONE) & (other != NONE)
        if bool(meet.any()):
            self.edges.append(torch.stack([one[meet], other[meet]]).unique(dim=1))

    def tie_all(self, numbers: Tensor) -> None:
        some = numbers[numbers != NONE].unique()
        if len(some) > 1:
            self.tie(some[:1].expand(len(some) - 1), some[1:])

    def pin(self, numbers: Tensor | None, reason: str) -> None:
        if numbers is not None and bool((numbers > PINNED).any()):
            some = numbers[numbers > PINNED].unique()
            self.pins.append((some, reason))
            self.edges.append(torch.stack([some, torch.full_like(some, PINNED)]))


def kind_of(node: fx.Node) -> str:
    """The name of a function or method, without what says that it works in place."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    name = name.rstrip("_") if not name.startswith("_") else name
    return name[1:] if name in ("iadd", "isub", "imul", "itruediv") else name


def varies(numbers: Tensor, dim: int) -> bool:
    return numbers.shape[dim] > 1 and bool((numbers != numbers.narrow(dim, 0, 1)).any())


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [each for part in value for each in tensors(part)]
    if isinstance(value, dict):
        return tensors(list(value.values()))
    return []


def zeros(output: Any) -> Any:
    if isinstance(output, Tensor):
        return torch.zeros(output.shape, dtype=torch.int64)
    if isinstance(output, tuple | list):
        return tuple(zeros(each) for each in output)
    return None


__all__ = ["NONE", "PINNED", "Labelled", "kind_of", "tensors", "varies", "zeros"]
