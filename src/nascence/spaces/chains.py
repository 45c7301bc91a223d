"""Chain spaces: one choice per layer of a plain chain of blocks, written as one digit per choice.

The macro benchmarks of Su et al. have this form. Depth and resolutions are part of the space, so a network size sets
``channels`` (and the flags of normalisation) only; asking for another depth is refused.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.operations import ConvBN, NormConfig
from nascence.spaces.base import NetworkConfig, Space
from nascence.tasks.base import Signature


class ChainSpace(Space):
    """A space whose text is a row of digits: the option with digit ``d`` stands at place ``d - first_digit``."""

    first_digit: ClassVar[int]

    @abstractmethod
    def chain(self, architecture: Architecture, network: NetworkConfig, in_channels: int, num_classes: int) -> Chain:
        """The modules; ``network`` has been checked."""

    @final
    def check(self, network: NetworkConfig) -> None:
        """Raises :class:`nascence.errors.SettingError` on what a chain's size cannot vary."""
        network.refuse(self.name, "depth", "stages", "stem_channels", "auxiliary")

    @final
    def format(self, architecture: Architecture) -> str:
        places = (choice.options.index(a) for choice, a in zip(self.choices, architecture.answers, strict=True))
        return "".join(str(place + self.first_digit) for place in places)

    @final
    def parse(self, text: str) -> Architecture:
        digits = [str(place + self.first_digit) for place in range(len(self.choices[0].options))]
        text = text.strip()
        if len(text) != len(self.choices) or not set(text) <= set(digits):
            raise ArchitectureError(
                f"'{text}' is no architecture of {self.name}; expected {len(self.choices)} digits from {digits[0]} to "
                f"{digits[-1]}."
            )
        return self.architecture([c.options[digits.index(d)] for c, d in zip(self.choices, text, strict=True)])

    @final
    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        self.check(network)
        return self.chain(architecture, network, signature.features, signature.outputs)


class Chain(nn.Module):
    """Stem, blocks, a 1 x 1 convolution to ``features`` channels (behind which ``mask``), global average pooling,
    classifier."""

    def __init__(
        self,
        stem: nn.Module,
        blocks: list[nn.Module],
        last_channels: int,
        features: int,
        num_classes: int,
        mask: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvBN(last_channels, features, 1, 1, NormConfig(), mask=mask)
        self.classifier = nn.Linear(features, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.head(self.blocks(self.stem(x_BCHW))).mean(dim=(2, 3)))


__all__ = ["Chain", "ChainSpace"]
