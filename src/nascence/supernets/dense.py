"""Densely connected blocks of convolutions for pictures: one architecture's, or all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from nascence.supernets.mixed import MaskedWidth, MixedOperation, MixedPart, Term, scaled, taking
from nascence.tasks.base import Signature


@final
class DenseBlock(nn.Module):
    """The block of one architecture: ``layers`` by their numbers from 1, the numbers of their inputs (0 is the block's
    own), the exit (0 for none) and how many of the trunk's channels it works on."""

    def __init__(
        self, layers: Mapping[int, nn.Module], inputs: Mapping[int, Sequence[int]], exit: int, channels: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({str(number): layer for number, layer in layers.items()})
        self.inputs, self.exit, self.channels = dict(inputs), exit, channels

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not self.exit:
            return x_BCHW
        narrow = self.channels < x_BCHW.shape[1]
        states = {0: x_BCHW[:, : self.channels] if narrow else x_BCHW}
        for number in sorted(self.inputs):
            states[number] = self.layers[str(number)](_mean([states[source] for source in self.inputs[number]]))
        if not narrow:
            return x_BCHW + states[self.exit]
        return torch.cat([states[0] + states[self.exit], x_BCHW[:, self.channels :]], dim=1)


@final
class DensePrior(nn.Module):
    """3 x 3 convolution and ReLU, blocks, 3 x 3 convolution. ``trunk``: what stands where the width of the features
    between blocks is chosen."""

    def __init__(
        self, channels: int, signature: Signature, blocks: Sequence[nn.Module], trunk: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(signature.features, channels, 3, padding=1), nn.ReLU())
        self.trunk = trunk or nn.Identity()
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Conv2d(channels, signature.outputs, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.tail(self.blocks(self.trunk(self.head(x_BCHW))))


@final
class MixedMean(MixedPart):
    """sum_S w_S mean_{j in S} x_j over sets S of states: which one or two inputs."""

    def __init__(self, group: str, row: int, sets: Sequence[Sequence[int]]) -> None:
        super().__init__(group, row)
        shares_SJ = torch.zeros(len(sets), 1 + max(max(members) for members in sets))
        for number, members in enumerate(sets):
            shares_SJ[number, list(members)] = 1 / len(members)
        self.register_buffer("shares_SJ", shares_SJ, persistent=False)
        self._known_SJ = shares_SJ  # stays on the CPU

    def coefficients(self) -> list[Term]:
        """(state, its coefficient) of the states that take part."""
        assert isinstance(self.shares_SJ, Tensor)
        values_J = self.weights @ self.shares_SJ.to(self.weights.dtype)
        known = self.known_weights()
        return taking(values_J, known @ self._known_SJ.to(known.dtype), self.sparse)


@final
class MixedBlock(nn.Module):
    """All operations, inputs, exits and widths of a block; the sum of all :class:`DenseBlock` in one:

        u_i = m * sum_S beta_i(S) mean_{j in S} h_j,   h_i = m * sum_o alpha_i(o) o(u_i),   z = x + sum_{i > 0} d_i h_i

    with h_0 = x and the mask m of ``width``. A layer that no exit and no input of any weight needs does not run.
    """

    def __init__(
        self,
        layers: Sequence[MixedOperation],
        inputs: Mapping[int, MixedMean],
        exit: MixedPart,
        width: MaskedWidth,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({str(number): layer for number, layer in enumerate(layers, 1)})
        self.inputs = nn.ModuleDict({str(number): part for number, part in inputs.items()})
        self.exit, self.width = exit, width

    def forward(self, x_BCHW: Tensor) -> Tensor:
        states: dict[int, Tensor] = {0: x_BCHW}
        total = x_BCHW
        for number, weight in self.exit.terms():
            if number:
                total = total + scaled(weight, self._state(number, states))
        return total

    def _state(self, number: int, states: dict[int, Tensor]) -> Tensor:
        if number not in states:
            part = self.inputs[str(number)] if number > 1 else None
            sources: list[Term] = part.coefficients() if isinstance(part, MixedMean) else [(0, None)]
            first, *rest = [scaled(weight, self._state(source, states)) for source, weight in sources]
            states[number] = self.width(self.layers[str(number)](self.width(sum(rest, first))))
        return states[number]


def _mean(states: Sequence[Tensor]) -> Tensor:
    return states[0] if len(states) == 1 else sum(states[1:], states[0]) / len(states)


__all__ = ["DenseBlock", "DensePrior", "MixedBlock", "MixedMean"]
