"""Problems with known answers: a space small enough to enumerate, and an objective whose optimum is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.operations import NormConfig
from nascence.seeding import generator
from nascence.spaces import SPACES, CellShape, CellSpace, Choice, NetworkConfig, Space, get_space
from nascence.spaces.cells import Cell, Fill

_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
_SHAPE = CellShape(inputs=1, nodes=2, output="last")


@final
class ToySpace(CellSpace):
    """One cell of three edges with one of four operations on each: 64 architectures.

    The text is the three operations separated by commas, for the edges 1<-0, 2<-0, 2<-1. Obtain it from
    :func:`toy_space`, which makes its name known.
    """

    name = "toy"
    shape = _SHAPE
    kinds = ("cell",)
    operations = _OPERATIONS
    choices = tuple(Choice(f"{target}<-{source}", _OPERATIONS) for source, target in _SHAPE.edges)
    networks = {
        "evaluation": NetworkConfig(channels=8, depth=2),
        "search": NetworkConfig(channels=4, affine=False, track_running_stats=False),
        "search-small": NetworkConfig(channels=4, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=4),
        "ranking": NetworkConfig(channels=4, depth=2),
        "ranking-deep": NetworkConfig(channels=4, depth=4),
    }

    def format(self, architecture: Architecture) -> str:
        return ",".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.strip().split(","))

    def edge_operations(self, architecture: Architecture) -> dict[str, dict[int, str]]:
        return {"cell": dict(enumerate(architecture.answers))}

    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        cell = chosen.get("cell", {})
        if sorted(cell) != [0, 1, 2]:
            raise ArchitectureError(f"{self.name} needs an operation on each of its 3 edges, got edges {sorted(cell)}.")
        return self.architecture([cell[at] for at in range(3)])

    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        norm = NormConfig(network.affine, network.track_running_stats)
        stem = nn.Conv2d(in_channels, network.channels, 3, padding=1, bias=False)
        cells = [cell(self.shape, "cell", network.channels, norm, fill) for _ in range(network.depth)]
        return nn.Sequential(stem, *cells, _GlobalAverage(), nn.Linear(network.channels, num_classes))


class _GlobalAverage(nn.Module):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW.mean(dim=(2, 3))


def toy_space() -> ToySpace:
    """The toy space, known as ``toy`` from the first call on."""
    if ToySpace.name not in SPACES.names():
        SPACES.register(ToySpace.name, ToySpace)
    space = get_space(ToySpace.name)
    assert isinstance(space, ToySpace)
    return space


@dataclass(frozen=True)
class AdditiveObjective:
    """A number in [0, 1] for every architecture of ``space``: the mean of one known gain per answer, to be maximised.

    Each choice's gains are 0, 1/(n-1), ..., 1 in some order of its n options, so that exactly one architecture attains
    1, exactly one 0, and improving any single answer improves the whole. (Choices of one option gain 1.)
    """

    space: Space
    gains: tuple[Mapping[str, float], ...]

    @classmethod
    def random(cls, space: Space, seed: int = 0) -> AdditiveObjective:
        """The order of the options of every choice is drawn from ``seed``."""
        gains = []
        for choice in space.choices:
            ranks = torch.randperm(len(choice.options), generator=generator(seed, "gains", choice.name)).tolist()
            most = max(len(ranks) - 1, 1)
            gains.append(
                {o: rank / most if len(ranks) > 1 else 1.0 for o, rank in zip(choice.options, ranks, strict=True)}
            )
        return cls(space, tuple(gains))

    def __call__(self, architecture: Architecture) -> float:
        total = sum(gain[answer] for gain, answer in zip(self.gains, architecture.answers, strict=True))
        return total / len(self.gains)

    @property
    def best(self) -> Architecture:
        """The only architecture whose value is 1."""
        return self.space.architecture([max(gain, key=gain.__getitem__) for gain in self.gains])

    @property
    def worst(self) -> Architecture:
        """The only architecture whose value is 0 (where every choice has two options or more)."""
        return self.space.architecture([min(gain, key=gain.__getitem__) for gain in self.gains])
