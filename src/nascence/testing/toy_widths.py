"""A chain whose widths, operations and input resolution are searched: 72 networks, each quickly built."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.initialisation import initialise
from nascence.operations import NormConfig
from nascence.operations.resizing import Resize, at_share
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces import SPACES, Choice, NetworkConfig, get_space
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MaskedWidth, MixedOperation, MixedResolution, MixedSupernet
from nascence.supernets.tally import Tally
from nascence.tasks.base import Signature

_WIDTHS = {"0.25": 0.25, "0.5": 0.5, "1.0": 1.0}
_KERNELS = {"conv1x1": 1, "conv3x3": 3}
_RESOLUTIONS = {"0.5": 0.5, "1.0": 1.0}
_RESOLUTION = ChoiceGroup("resolution", ("input",), tuple(_RESOLUTIONS), "resolution")
_WIDTH = ChoiceGroup("width", ("width1", "width2"), tuple(_WIDTHS), "width")
_OPERATION = ChoiceGroup("operation", ("layer1", "layer2"), tuple(_KERNELS), "operation")


@final
class ToyWidths(RowwiseSpace):
    """Stem of ``width1``, a layer to ``width2``, a residual layer of ``width2``, global average, classifier.

    ``width1``, ``width2``: of the network's full ``channels``, a multiple of four. The text is the answers separated by
    commas: input, width1, width2, layer1, layer2. Obtain it from :func:`toy_widths`, which makes its name known.
    """

    name = "toy-widths"
    choices = (
        Choice("input", tuple(_RESOLUTIONS), ordered=True),
        *(Choice(row, tuple(_WIDTHS), ordered=True) for row in _WIDTH.rows),
        *(Choice(row, tuple(_KERNELS)) for row in _OPERATION.rows),
    )
    networks = {
        name: NetworkConfig(channels=channels)
        for name, channels in (
            ("evaluation", 16),
            ("search", 8),
            ("search-small", 8),
            ("score", 8),
            ("ranking", 8),
            ("ranking-deep", 8),
        )
    }

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        return _RESOLUTION, _WIDTH, _OPERATION

    def format(self, architecture: Architecture) -> str:
        return ",".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.strip().split(","))

    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        share, *widths = architecture.answers[:3]
        first, second = (round(_WIDTHS[width] * _channels(network)) for width in widths)
        layers: list[nn.Module] = [
            _Layer(before, second, _KERNELS[answer])
            for before, answer in zip((first, second), architecture.answers[3:], strict=True)
        ]
        body = _Body(signature.features, first, second, layers, signature.outputs, lambda row: None)
        return nn.Sequential(Resize(_RESOLUTIONS[share]), body)

    def cost_terms(self, network: NetworkConfig, signature: Signature) -> dict[str, list[Extent]]:
        widths = [round(share * _channels(network)) for share in _WIDTHS.values()]
        return self.by_choice(_costs(widths, signature))

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, NetworkConfig)
        full = _channels(network)
        widths = [round(share * full) for share in _WIDTHS.values()]
        with seeded_globally(derive_seed(seed, "construction")):
            layers: list[nn.Module] = [
                MixedOperation("operation", row, [_Layer(full, full, kernel) for kernel in _KERNELS.values()])
                for row in range(2)
            ]
            body = _Body(
                signature.features, full, full, layers, signature.outputs, lambda row: MaskedWidth("width", row, widths)
            )
            mixed = MixedResolution("resolution", 0, tuple(_RESOLUTIONS.values()), body, pooled=True)
            module = initialise(nn.Sequential(nn.Identity(), mixed), "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, module, _costs(widths, signature))


def toy_widths() -> ToyWidths:
    """The toy chain, known as ``toy-widths`` from the first call on."""
    if ToyWidths.name not in SPACES.names():
        SPACES.register(ToyWidths.name, ToyWidths)
    space = get_space(ToyWidths.name)
    assert isinstance(space, ToyWidths)
    return space


def _channels(network: NetworkConfig) -> int:
    network.refuse("toy-widths", "depth", "stages", "stem_channels", "affine", "track_running_stats", "auxiliary")
    if network.channels % 4:
        raise SettingError(f"toy-widths divides channels into quarters; {network.channels} is no multiple of 4.")
    return network.channels


class _Layer(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        super().__init__(convolution, NormConfig().build(out_channels), nn.ReLU())


class _Body(nn.Module):
    """``mask``: what stands behind the stem (row 0) and the layers (row 1), so that the residual layer adds two tensors
    of one width."""

    def __init__(
        self,
        in_channels: int,
        first: int,
        second: int,
        layers: list[nn.Module],
        num_classes: int,
        mask: Callable[[int], nn.Module | None],
    ) -> None:
        super().__init__()
        self.stem = _Layer(in_channels, first, 3)
        self.blocks = nn.ModuleList(layers)
        self.classifier = nn.Linear(second, num_classes)
        self.masks = nn.ModuleList(mask(row) or nn.Identity() for row in range(2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        narrow, wide = self.masks
        stem_BCHW = narrow(self.stem(x_BCHW))
        first_BCHW = wide(self.blocks[0](stem_BCHW))
        second_BCHW = first_BCHW + wide(self.blocks[1](first_BCHW))
        return self.classifier(second_BCHW.mean(dim=(2, 3)))


def _costs(widths: list[int], signature: Signature) -> dict[str, list[Extent]]:
    """Parameters and FLOPs as sums over the convolutions and the classifier."""
    first, second = (Extent.of(("width", row), [float(width) for width in widths]) for row in range(2))
    sizes = [at_share(signature.size, share) for share in _RESOLUTIONS.values()]
    pixels = Extent.of(("resolution", 0), [float(height * width) for height, width in sizes])
    tally = Tally()
    tally.convolution(signature.features, first, 3, pixels)
    for row, before in enumerate((first, second)):
        for option, kernel in enumerate(_KERNELS.values()):
            where = Extent.chosen(("operation", row), len(_KERNELS), option)
            tally.convolution(before, second, kernel, pixels, where=where)
    tally.linear(second, signature.outputs)
    return tally.costs


__all__ = ["ToyWidths", "toy_widths"]
