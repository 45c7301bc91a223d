"""NAS-Bench-Macro: one of three blocks at each of eight positions of a mobile network (Su et al., CVPR 2021, MCT-NAS).

6,561 networks, of which 3,969 are distinct: an identity may change places with a block beside it in its stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from torch import nn

from nascence.architecture import Architecture
from nascence.operations import ConvBN, InvertedResidual, NormConfig
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.chains import Chain, ChainSpace

_IDENTITY = "identity"
_BLOCKS = {"mb3_k3": (3, 3), "mb6_k5": (6, 5)}  # expansion, kernel
_STAGES = (2, 3, 3)
_FEATURES = 40  # per channel of the stem: 1280 at 32


def _positions() -> Iterator[tuple[int, int]]:
    return ((stage, at) for stage, length in enumerate(_STAGES) for at in range(length))


@final
class NASBenchMacro(ChainSpace):
    """The space; its text is the benchmark's: eight digits, 0 ``identity``, 1 ``mb3_k3``, 2 ``mb6_k5``.

    The first position of each of the three stages halves the resolution and doubles the channels; an identity there is
    a 1 x 1 convolution of stride 2 with normalisation. ``channels`` is the stem's width, 32 in the benchmark.
    """

    name = "nas-bench-macro"
    domain = "images"
    first_digit = 0
    choices = tuple(Choice(f"stage{stage + 1}/{at + 1}", (_IDENTITY, *_BLOCKS)) for stage, at in _positions())
    networks = {
        "evaluation": NetworkConfig(channels=32),
        "score": NetworkConfig(channels=8),
        "ranking": NetworkConfig(channels=8),
        "ranking-deep": NetworkConfig(channels=8),
    }

    def canonical(self, architecture: Architecture) -> Architecture:
        """Within each stage, identities first: after the first position they compute nothing, wherever they are."""
        answers: list[str] = []
        for length in _STAGES:
            first, *rest = architecture.answers[len(answers) : len(answers) + length]
            answers += [first, *sorted(rest, key=lambda answer: answer != _IDENTITY)]
        return Architecture(self.name, tuple(answers))

    def chain(self, architecture: Architecture, network: NetworkConfig, in_channels: int, num_classes: int) -> Chain:
        norm = NormConfig(network.affine, network.track_running_stats)
        channels = network.channels
        stem = ConvBN(in_channels, channels, 3, 1, NormConfig())
        blocks = []
        for (_, at), answer in zip(_positions(), architecture.answers, strict=True):
            before, channels = channels, channels * (1 if at else 2)
            blocks.append(_block(answer, before, channels, 1 if at else 2, norm))
        return Chain(stem, blocks, channels, _FEATURES * network.channels, num_classes)


def _block(answer: str, in_channels: int, out_channels: int, stride: int, norm: NormConfig) -> nn.Module:
    if answer != _IDENTITY:
        expansion, kernel = _BLOCKS[answer]
        return InvertedResidual(in_channels, expansion * in_channels, out_channels, kernel, stride, norm)
    return nn.Identity() if stride == 1 else ConvBN(in_channels, out_channels, 1, stride, norm, relu=False)


__all__ = ["NASBenchMacro"]
