"""Channel-Bench-Macro, the MobileNet half: the widths of seven layers of a mobile network (Su et al., BCNet, 2021).

16,384 networks, all distinct.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

from torch import nn

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.initialisation import initialise
from nascence.operations import ConvBN, InvertedResidual, NormConfig
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.chains import Chain, ChainSpace
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MaskedWidth, MixedSupernet
from nascence.supernets.tally import Tally
from nascence.tasks.base import Signature

_WIDTHS = ("0.25", "0.5", "0.75", "1.0")
_LAYERS = {  # full width, as a multiple of the stem's
    "stem": 1,
    "block1/hidden": 6,
    "block2/hidden": 6,
    "block3/hidden": 6,
    "block3/out": 2,
    "block4/hidden": 12,
    "features": 8,
}


@final
class ChannelBenchMacroMobileNet(ChainSpace, RowwiseSpace):
    """The space; its text is the benchmark's: seven digits from 1 to 4, quarters of each layer's full width.

    A convolution of stride 2, four inverted residuals with 3 x 3 kernels (the third of stride 2) and a 1 x 1
    convolution. Blocks 1 and 2 end in the stem's width and block 4 in block 3's, since their inputs are added.
    ``channels`` is the stem's full width, 128 in the benchmark; it must be a multiple of four.
    """

    name = "channel-bench-macro-mobilenet"
    domain = "images"
    first_digit = 1
    choices = tuple(Choice(layer, _WIDTHS) for layer in _LAYERS)
    networks = {
        "evaluation": NetworkConfig(channels=128),
        "search": NetworkConfig(channels=128),
        "search-small": NetworkConfig(channels=32),
        "score": NetworkConfig(channels=16),
        "ranking": NetworkConfig(channels=16),
        "ranking-deep": NetworkConfig(channels=16),
    }

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        return (ChoiceGroup("width", tuple(_LAYERS), _WIDTHS, "width"),)

    def chain(self, architecture: Architecture, network: NetworkConfig, in_channels: int, num_classes: int) -> Chain:
        full = _full_widths(network)
        widths = [
            (_WIDTHS.index(answer) + 1) * width // 4 for answer, width in zip(architecture.answers, full, strict=True)
        ]
        return _chain(widths, network, in_channels, num_classes, lambda row: None)

    def cost_terms(self, network: NetworkConfig, signature: Signature) -> dict[str, list[Extent]]:
        self.check(network)
        return self.by_choice(_costs(_options(network), signature, network.affine))

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        """The widest network, with a mask behind every searched width: in residual blocks one and the same for what is
        added."""
        assert isinstance(network, NetworkConfig)
        self.check(network)
        full, options = _full_widths(network), _options(network)
        with seeded_globally(derive_seed(seed, "construction")):
            module = _chain(
                full,
                network,
                signature.features,
                signature.outputs,
                lambda row: MaskedWidth("width", row, options[row]),
            )
        return MixedSupernet(
            self.groups,
            initialise(module, "default", generator(seed, "weights")),
            _costs(options, signature, network.affine),
        )


def _options(network: NetworkConfig) -> list[list[int]]:
    return [[(quarter + 1) * width // 4 for quarter in range(4)] for width in _full_widths(network)]


def _full_widths(network: NetworkConfig) -> list[int]:
    if network.channels % 4:
        raise SettingError(
            f"{ChannelBenchMacroMobileNet.name} divides channels into quarters; {network.channels} is no multiple of 4."
        )
    return [multiple * network.channels for multiple in _LAYERS.values()]


def _chain(
    widths: Sequence[int],
    network: NetworkConfig,
    in_channels: int,
    num_classes: int,
    mask: Callable[[int], nn.Module | None],
) -> Chain:
    """``mask``: what stands behind the layers whose width is row number so and so."""
    first, hidden1, hidden2, hidden3, second, hidden4, features = widths
    norm = NormConfig(network.affine, network.track_running_stats)
    shapes = [  # channels in, hidden and out, stride; rows of the hidden and the output widths
        (first, hidden1, first, 1, 1, 0),
        (first, hidden2, first, 1, 2, 0),
        (first, hidden3, second, 2, 3, 4),
        (second, hidden4, second, 1, 5, 4),
    ]
    blocks: list[nn.Module] = [
        InvertedResidual(before, hidden, after, 3, stride, norm, hidden_mask=mask(inner), out_mask=mask(outer))
        for before, hidden, after, stride, inner, outer in shapes
    ]
    stem = ConvBN(in_channels, first, 3, 2, NormConfig(), mask=mask(0))
    return Chain(stem, blocks, second, features, num_classes, mask(6))


def _costs(options: Sequence[Sequence[int]], signature: Signature, affine: bool) -> dict[str, list[Extent]]:
    """Parameters and FLOPs."""
    widths = [Extent.of(("width", row), [float(width) for width in each]) for row, each in enumerate(options)]
    first, hidden1, hidden2, hidden3, second, hidden4, features = widths
    large = math.prod(-(-extent // 2) for extent in signature.size)
    small = math.prod(-(-extent // 4) for extent in signature.size)
    tally = Tally()
    tally.convolution(signature.features, first, 3, large)
    for before, hidden, after, pixels_in, pixels_out in (
        (first, hidden1, first, large, large),
        (first, hidden2, first, large, large),
        (first, hidden3, second, large, small),
        (second, hidden4, second, small, small),
    ):
        tally.convolution(before, hidden, 1, pixels_in, norm=affine)
        tally.convolution(hidden, hidden, 3, pixels_out, depthwise=True, norm=affine)
        tally.convolution(hidden, after, 1, pixels_out, norm=affine)
    tally.convolution(second, features, 1, small)
    tally.linear(features, signature.outputs)
    return tally.costs


__all__ = ["ChannelBenchMacroMobileNet"]
