"""From a narrow supernet of partial channels to a wider one (DrNAS, section 3.3; Net2Net, Chen et al., ICLR 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nascence.seeding import generator
from nascence.supernets.cells.supernet import MixedCell


def widen(narrow: nn.Module, wide: nn.Module, momentum: Sequence[Tensor | None], seed: int) -> list[Tensor | None]:
    """Give ``wide`` the weights and statistics of ``narrow``, whose cells send fewer channels through their operations.

    Every new channel, of kernels in and out, normalisations and ``momentum`` (of the parameters of ``narrow``, in
    order) alike, is a copy of an old one, drawn at random once per cell, so that all operations that add up in a node
    agree. Copies are not divided by their number: the normalisation after each kernel takes the scale away. Returns the
    momentum of the parameters of ``wide``.
    """
    draws = {
        name: _Draw(generator(seed, name)) for name, module in narrow.named_modules() if isinstance(module, MixedCell)
    }
    with torch.no_grad():
        old = dict(narrow.named_parameters()) | dict(narrow.named_buffers())
        for name, new in [*wide.named_parameters(), *wide.named_buffers()]:
            new.copy_(_spread(wide, draws, name, old[name], new.shape))
        sizes = dict(wide.named_parameters())
        return [
            None if value is None else _spread(wide, draws, name, value, sizes[name].shape)
            for (name, _), value in zip(narrow.named_parameters(), momentum, strict=True)
        ]


class _Draw:
    """Which of the old channels every new one copies: the old ones themselves, then random ones."""

    def __init__(self, random: torch.Generator) -> None:
        self.random = random
        self.known: dict[tuple[int, int], Tensor] = {}

    def __call__(self, before: int, after: int) -> Tensor:
        if (before, after) not in self.known:
            more = torch.randint(before, (after - before,), generator=self.random)
            self.known[before, after] = torch.cat([torch.arange(before), more])
        return self.known[before, after]


def _spread(wide: nn.Module, draws: dict[str, _Draw], name: str, value: Tensor, shape: torch.Size) -> Tensor:
    """``value`` (named ``name`` in either network) with the channels that ``shape`` has."""
    if value.shape == shape:
        return value.clone()
    owner = wide.get_submodule(name.rpartition(".")[0])
    copies = owner.copies
    assert isinstance(copies, int), "only the operations of a cell differ in width"
    draw = next(draw for cell, draw in draws.items() if name.startswith(f"{cell}."))
    per_edge = value.unflatten(0, (copies, -1))
    wanted = (copies, shape[0] // copies, *shape[1:])
    for dimension in (1, 2):
        if dimension < len(wanted) and per_edge.shape[dimension] != wanted[dimension]:
            index = draw(per_edge.shape[dimension], wanted[dimension]).to(value.device)
            per_edge = per_edge.index_select(dimension, index)
    return per_edge.flatten(0, 1)


__all__ = ["widen"]
