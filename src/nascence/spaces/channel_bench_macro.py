"""Channel-Bench-Macro, the MobileNet half: the widths of seven layers of a mobile network (Su et al., BCNet, 2021).

16,384 networks, all distinct.
"""

from __future__ import annotations

from typing import final

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.operations import ConvBN, InvertedResidual, NormConfig
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.chains import Chain, ChainSpace

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
class ChannelBenchMacroMobileNet(ChainSpace):
    """The space; its text is the benchmark's: seven digits from 1 to 4, quarters of each layer's full width.

    A convolution of stride 2, four inverted residuals with 3 x 3 kernels (the third of stride 2) and a 1 x 1
    convolution. Blocks 1 and 2 end in the stem's width and block 4 in block 3's, since their inputs are added.
    ``channels`` is the stem's full width, 128 in the benchmark; it must be a multiple of four.
    """

    name = "channel-bench-macro-mobilenet"
    first_digit = 1
    choices = tuple(Choice(layer, _WIDTHS) for layer in _LAYERS)
    networks = {
        "evaluation": NetworkConfig(channels=128),
        "score": NetworkConfig(channels=16),
        "ranking": NetworkConfig(channels=16),
        "ranking-deep": NetworkConfig(channels=16),
    }

    def chain(self, architecture: Architecture, network: NetworkConfig, in_channels: int, num_classes: int) -> Chain:
        if network.channels % 4:
            raise SettingError(f"{self.name} divides channels into quarters; {network.channels} is no multiple of 4.")
        norm = NormConfig(network.affine, network.track_running_stats)
        widths = [
            (_WIDTHS.index(answer) + 1) * multiple * network.channels // 4
            for answer, multiple in zip(architecture.answers, _LAYERS.values(), strict=True)
        ]
        first, hidden1, hidden2, hidden3, second, hidden4, features = widths
        blocks = [
            InvertedResidual(first, hidden1, first, 3, 1, norm),
            InvertedResidual(first, hidden2, first, 3, 1, norm),
            InvertedResidual(first, hidden3, second, 3, 2, norm),
            InvertedResidual(second, hidden4, second, 3, 1, norm),
        ]
        return Chain(ConvBN(in_channels, first, 3, 2, NormConfig()), list(blocks), second, features, num_classes)


__all__ = ["ChannelBenchMacroMobileNet"]
