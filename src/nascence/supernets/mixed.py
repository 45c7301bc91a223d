"""Mixed parts: what a supernet outside of cells is put together from.

Each part belongs to one row of one choice group (a masked width may depend on several) and reads that row's mixing
weights [O], which :class:`MixedSupernet` hands out for the time of a forward pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nascence.errors import SettingError
from nascence.operations.resizing import at_share, resized, scattered, subsampled
from nascence.schedules import Moment
from nascence.seeding import seeded_globally
from nascence.supernets.base import Supernet
from nascence.supernets.extents import Extent, Row, mean
from nascence.supernets.groups import ChoiceGroup, MixingWeights, on_cpu

Term = tuple[int, Tensor | None]
"""An option and its weight; None for a weight of one that needs no gradient."""


def taking(weights_O: Tensor, known_O: Tensor, sparse: bool) -> list[Term]:
    """The options whose weight is not zero, where no gradient of the weights is asked for or ``sparse`` says so, else
    all. ``known_O``: the weights on the CPU, so that a device need not be asked."""
    fixed = not weights_O.requires_grad
    chosen: list[Term] = [
        (option, None if fixed and value == 1 else weights_O[option])
        for option, value in enumerate(known_O.tolist())
        if value or not (sparse or fixed)
    ]
    return chosen or [(0, weights_O[0])]


def scaled(weight: Tensor | None, x: Tensor) -> Tensor:
    """``weight`` times ``x``; None for one."""
    return x if weight is None else weight.to(x.dtype) * x


class MixedPart(nn.Module):
    """A module whose output depends on the weights of row ``row`` of the choice group ``group``, and of ``further``
    rows.

    ``weights``: of that row; ``row_weights``: of all rows, in order; ``known``: the same on the CPU, without gradient.
    ``sparse``: options of weight zero do not run, whether or not their weight needs a gradient.
    """

    def __init__(self, group: str, row: int, *further: Row) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ((group, row), *further)
        self.row_weights: list[Tensor] = []
        self.known: list[Tensor] = []
        self.sparse = False

    @property
    def weights(self) -> Tensor:
        assert self.row_weights, "a supernet is called with mixing weights"
        return self.row_weights[0]

    def terms(self, number: int = 0) -> list[Term]:
        """Of the options of row ``number`` that take part; never none of them."""
        assert self.row_weights, "a supernet is called with mixing weights"
        return taking(self.row_weights[number], self.known_weights(number), self.sparse)

    def known_weights(self, number: int = 0) -> Tensor:
        """Of row ``number``, on the CPU, without gradient."""
        return (self.known or self.row_weights)[number].detach()


@final
class MixedOperation(MixedPart):
    """sum_o w_o op_o(inputs)."""

    def __init__(self, group: str, row: int, candidates: Iterable[nn.Module]) -> None:
        super().__init__(group, row)
        self.candidates = nn.ModuleList(candidates)

    def forward(self, *inputs: Any) -> Tensor:
        return _sum(scaled(weight, self.candidates[option](*inputs)) for option, weight in self.terms())


@final
class MixedSum(MixedPart):
    """sum_o w_o x_o of states x_o of one shape: which input, which exit."""

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return _sum(scaled(weight, states[option]) for option, weight in self.terms())


@final
class MaskedWidth(MixedPart):
    """x times sum_o w_o 1[channel < width_o]: all widths at the memory of one (Wan et al., FBNetV2, CVPR 2020, eq. 4).

    ``widths`` [O]: of the options, in channels; with ``further`` rows [O, O', ...], the width of every combination. The
    input [B, C, ...] has C = the largest of them. To stand behind the normalisation and the activation: batch
    normalisation of a masked tensor would divide the mask out again.
    """

    def __init__(self, group: str, row: int, widths: Sequence[Any] | Tensor, *further: Row) -> None:
        super().__init__(group, row, *further)
        table = torch.as_tensor(widths, dtype=torch.float64)
        assert table.dim() == len(self.rows)
        self.width = Extent(self.rows, table)
        steps = torch.arange(int(table.max())) < table[..., None]
        self.register_buffer("steps", steps.float(), persistent=False)

    @classmethod
    def of(cls, width: Extent) -> MaskedWidth:
        """The mask of a width that depends on one row or more."""
        (group, row), *further = width.rows
        return cls(group, row, width.values, *further)

    def mask(self) -> Tensor:
        """[C]: ones up to the smallest width, then never rising."""
        assert isinstance(self.steps, Tensor)
        assert self.row_weights, "a supernet is called with mixing weights"
        mask = self.steps.to(self.row_weights[0].dtype)
        for weights in self.row_weights:
            mask = torch.tensordot(weights, mask, dims=1)
        return mask

    def forward(self, x_BC: Tensor) -> Tensor:
        return x_BC * self.mask().to(x_BC.dtype).view(1, -1, *[1] * (x_BC.dim() - 2))


@final
class MixedResolution(MixedPart):
    """sum_o w_o f(x at share_o of its height and width) with one and the same f, ``body``; one-hot weights run it once.

    ``pooled``: the outputs have no height and width, and pictures are averaged down as the derived network does.
    Otherwise as FBNetV2 has it (section 3.2): every size takes its pixels of the one input map, and the outputs go back
    to where they came from in a map of zeros, so that maps of different sizes are added pixel by pixel; a body that
    changes the resolution cannot stand there.
    """

    def __init__(self, group: str, row: int, shares: Sequence[float], body: nn.Module, *, pooled: bool) -> None:
        super().__init__(group, row)
        self.shares, self.body, self.pooled = tuple(shares), body, pooled

    def forward(self, x_BCHW: Tensor) -> Tensor:
        run = self._pooled if self.pooled else self._scattered
        return _sum(scaled(weight, run(x_BCHW, self.shares[option])) for option, weight in self.terms())

    def _pooled(self, x_BCHW: Tensor, share: float) -> Tensor:
        return self.body(resized(x_BCHW, at_share(x_BCHW.shape[-2:], share)))

    def _scattered(self, x_BCHW: Tensor, share: float) -> Tensor:
        full = (x_BCHW.shape[-2], x_BCHW.shape[-1])
        return scattered(self.body(subsampled(x_BCHW, at_share(full, share))), full)


def _sum(parts: Iterable[Tensor]) -> Tensor:
    first, *rest = parts
    return sum(rest, first)


@final
class MixedSupernet(Supernet):
    """A network of mixed parts; ``network`` is called with the inputs alone.

    ``costs``: per cost the numbers that add up to it; see :meth:`expected`. After :meth:`prepare` the dropout of its
    layers follows from the step, wherever the global generator is.
    """

    def __init__(
        self, groups: Sequence[ChoiceGroup], network: nn.Module, costs: Mapping[str, Sequence[Extent]] | None = None
    ) -> None:
        super().__init__()
        self.groups, self.network = tuple(groups), network
        self.costs = {name: tuple(parts) for name, parts in (costs or {}).items()}
        self._seed: int | None = None

    def parts(self) -> list[MixedPart]:
        return [module for module in self.network.modules() if isinstance(module, MixedPart)]

    def prepare(self, moment: Moment, random: torch.Generator) -> None:
        self._seed = int(torch.randint(2**62, (), generator=random))

    @contextlib.contextmanager
    def undropped(self) -> Iterator[None]:
        """Inside, layers are as in evaluation, but for batch normalisation, whose statistics stay those of training."""
        before = [module for module in self.network.modules() if module.training]
        for module in before:
            module.training = isinstance(module, _BatchNorm)
        try:
            yield
        finally:
            for module in before:
                module.training = True

    @contextlib.contextmanager
    def _seeded(self, device: torch.device) -> Iterator[None]:
        if self._seed is None or not self.training:
            yield
            return
        with seeded_globally(self._seed, device):
            self._seed += 1  # the step's next pass drops something else
            yield

    def forward(self, *inputs: Tensor, weights: MixingWeights, sparse: bool = False) -> Any:
        parts, known = self.parts(), on_cpu(weights)
        for part in parts:
            part.row_weights, part.sparse = [weights[group][row] for group, row in part.rows], sparse
            part.known = [known[group][row] for group, row in part.rows]
        try:
            with self._seeded(inputs[0].device):
                return self.network(*inputs)
        finally:
            for part in parts:
                part.row_weights, part.known = [], []

    def expected(self, cost: str, weights: MixingWeights) -> Tensor:
        """The mean of a cost of this size over architectures drawn row by row; at one-hot weights the cost itself."""
        if cost not in self.costs:
            raise SettingError(f"This supernet does not know its expected {cost}.")
        return mean(self.costs[cost], weights)


__all__ = [
    "MaskedWidth",
    "MixedOperation",
    "MixedPart",
    "MixedResolution",
    "MixedSum",
    "MixedSupernet",
    "Term",
    "scaled",
    "taking",
]
