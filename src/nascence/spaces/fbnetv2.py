"""FBNetV2: block, expansion and width of every layer and the input's resolution (Wan et al., CVPR 2020, table 1).

1.2e35 networks. The grid of widths and strides is that of a published re-implementation for ImageNet, the columns of
expansions and repeats are from memory of the paper (unconfirmed); that widths are shared within a stage, so that
residuals can be added, is a reconstruction, which gives the paper's number of candidates (10^35).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, final

from torch import nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.initialisation import initialise
from nascence.operations import NormConfig
from nascence.operations.resizing import Resize, at_share
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice
from nascence.spaces.fbnetv2_layers import (
    BLOCKS,
    HEAD,
    OPTIONS,
    RESOLUTIONS,
    SKIP,
    STAGES,
    STEM,
    FBNetV2Network,
    FBNetV2Size,
    Layer,
    block_of,
    layers_of,
    skip_of,
    width_of,
)
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MaskedWidth, MixedOperation, MixedResolution, MixedSupernet
from nascence.supernets.tally import Tally
from nascence.tasks.base import Signature


def _groups() -> tuple[ChoiceGroup, ...]:
    blocks = tuple(f"{stage.name}/{layer + 1}/block" for stage in STAGES for layer in range(stage.layers))
    groups = [
        ChoiceGroup("resolution", ("resolution",), tuple(RESOLUTIONS), "resolution"),
        ChoiceGroup("block", blocks, OPTIONS),
    ]
    for stage in STAGES:
        name = f"{stage.name}/width"
        groups.append(ChoiceGroup(name, (name,), tuple(map(str, stage.widths)), "width"))
    for stage in STAGES:
        if stage.expands:
            layers = tuple(f"{stage.name}/{layer + 1}/expansion" for layer in range(stage.layers))
            expansions = tuple(f"{expansion:g}" for expansion in stage.expansions)
            groups.append(ChoiceGroup(f"{stage.name}/expansion", layers, expansions, "width"))
    return tuple(groups)


def _choices(groups: Sequence[ChoiceGroup]) -> tuple[Choice, ...]:
    """In the order of the network from its input to its output."""
    by_row = {row: group for group in groups for row in group.rows}
    return tuple(Choice(row, by_row[row].options, by_row[row].role == "width") for row in _rows())


def _rows() -> Iterator[str]:
    """The choices in their order: the network from its input to its output."""
    yield "resolution"
    for stage in STAGES:
        yield f"{stage.name}/width"
        for layer in range(stage.layers):
            yield f"{stage.name}/{layer + 1}/block"
            if stage.expands:
                yield f"{stage.name}/{layer + 1}/expansion"


@final
class FBNetV2(RowwiseSpace):
    """The space. Its text is the resolution and then the stages, such as ``1|16:k3-relu|24:k5-relu*2.75,skip*0.75,...``
    (width, colon, block and expansion of each layer).

    ``skip`` passes the features on; in the first layer of a stage, where width or resolution change, it is a 1 x 1
    convolution with normalisation and ReLU. A block adds its input unless it is the first of its stage: residuals are
    where they are residuals for every width, whatever is chosen.
    """

    name = "fbnetv2"
    domain = "images"
    size_class: ClassVar[type] = FBNetV2Size
    preset_form: ClassVar[str] = "fbnetv2"
    networks: Mapping[str, FBNetV2Size] = {
        "evaluation": FBNetV2Size(),
        "search": FBNetV2Size(),
        "search-small": FBNetV2Size(channels=8),
        "score": FBNetV2Size(channels=4),
        "ranking": FBNetV2Size(channels=8),
        "ranking-deep": FBNetV2Size(channels=8),
    }
    groups = _groups()
    choices = _choices(groups)

    def format(self, architecture: Architecture) -> str:
        answers = self._answers(architecture)
        parts = [answers["resolution"]]
        for stage in STAGES:
            layers = [
                answers[f"{stage.name}/{layer + 1}/block"]
                + (f"*{answers[f'{stage.name}/{layer + 1}/expansion']}" if stage.expands else "")
                for layer in range(stage.layers)
            ]
            parts.append(f"{answers[f'{stage.name}/width']}:{','.join(layers)}")
        return "|".join(parts)

    def parse(self, text: str) -> Architecture:
        resolution, *stages = text.strip().split("|")
        if len(stages) != len(STAGES):
            raise ArchitectureError(
                f"'{text.strip()[:200]}' is no architecture of {self.name}; expected a resolution and {len(STAGES)} "
                "stages, separated by |."
            )
        answers = [resolution]
        for stage, part in zip(STAGES, stages, strict=True):
            width, _, layers = part.partition(":")
            answers.append(width)
            for layer in layers.split(","):
                answers += re.split(r"\*", layer, maxsplit=1) if stage.expands else [layer]
        return self.architecture(answers)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The expansion of a skip does nothing; here it is the first."""
        answers = self._answers(architecture)
        for row, answer in answers.items():
            expansion = f"{row.removesuffix('/block')}/expansion"
            if answer == SKIP and expansion in answers:
                answers[expansion] = next(choice.options[0] for choice in self.choices if choice.name == expansion)
        return Architecture(self.name, tuple(answers.values()))

    def _answers(self, architecture: Architecture) -> dict[str, str]:
        return dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))

    def assemble(self, architecture: Architecture, network: FBNetV2Size, signature: Signature) -> nn.Module:
        answers = self._answers(architecture)
        layers = []
        before = network.width(STEM)
        for layer in layers_of(network, signature):
            width = network.width(float(answers[f"{layer.stage.name}/width"]))
            name, norm = answers[f"{layer.name}/block"], NormConfig()
            expansion = float(answers.get(f"{layer.name}/expansion", 1))
            if name == SKIP:
                layers.append(skip_of(before, width, layer, norm))
            else:
                hidden = network.hidden(before, expansion) if layer.stage.expands else before
                layers.append(block_of(BLOCKS[name], before, hidden, network.squeezed(hidden), width, layer, norm))
            before = width
        share = RESOLUTIONS[answers["resolution"]]
        resize = nn.Identity() if share == 1 else Resize(share)
        return FBNetV2Network(resize, layers, before, network, signature)

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        """All blocks of every layer at their largest, masks for widths and expansions, and the resolution around all.

        A block's hidden width is its expansion times the width that comes in, rounded: a mask that depends on both."""
        assert isinstance(network, FBNetV2Size)
        with seeded_globally(derive_seed(seed, "construction")):
            layers = [
                self._mixed_layer(number, layer, network) for number, layer in enumerate(layers_of(network, signature))
            ]
            last = int(width_of(STAGES[-1], network).largest)
            body = FBNetV2Network(nn.Identity(), layers, last, network, signature)
            mixed = MixedResolution("resolution", 0, tuple(RESOLUTIONS.values()), body, pooled=True)
            module = initialise(mixed, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, module, _costs(network, signature))

    @staticmethod
    def _mixed_layer(number: int, layer: Layer, network: FBNetV2Size) -> MixedOperation:
        before, width, hidden, squeezed = layer.extents(network)
        mask = MaskedWidth.of(width)
        hidden_mask, squeeze_mask = (MaskedWidth.of(each) if each.rows else None for each in (hidden, squeezed))
        inputs, outputs, inner, squeezed_to = (int(each.largest) for each in (before, width, hidden, squeezed))
        masks = (hidden_mask, squeeze_mask, mask)
        blocks = [
            block_of(block, inputs, inner, squeezed_to, outputs, layer, NormConfig(), masks)
            for block in BLOCKS.values()
        ]
        return MixedOperation("block", number, [*blocks, skip_of(inputs, outputs, layer, NormConfig(), mask)])

    def cost_terms(self, network: FBNetV2Size, signature: Signature) -> dict[str, list[Extent]]:
        return self.by_choice(_costs(network, signature))


def _costs(network: FBNetV2Size, signature: Signature) -> dict[str, list[Extent]]:
    """Parameters and FLOPs, layer by layer."""
    tally, halvings = Tally(), network.halved(signature.size)
    sizes = [at_share(signature.size, share) for share in RESOLUTIONS.values()]

    def pixels(halved: int) -> Extent:
        areas = [math.prod(-(-extent // 2**halved) for extent in size) for size in sizes]
        return Extent.of(("resolution", 0), [float(area) for area in areas])

    level = 1 if halvings == 5 else 0
    tally.convolution(signature.features, network.width(STEM), 3, pixels(level))
    for number, layer in enumerate(layers_of(network, signature)):
        row = ("block", number)
        before, width, hidden, squeezed = layer.extents(network)
        inside = Extent.of(row, [*(1.0 for _ in BLOCKS), 0.0])
        kernel = Extent.of(row, [*(float(block.kernel) for block in BLOCKS.values()), 0.0])
        squeeze = Extent.of(row, [*(float(block.squeeze) for block in BLOCKS.values()), 0.0])
        after = level + (layer.stride == 2)
        if layer.stage.expands:
            tally.convolution(before, hidden, 1, pixels(level), where=inside)
        tally.convolution(hidden, hidden, kernel, pixels(after), depthwise=True, where=inside)
        tally.convolution(hidden, squeezed, 1, 1, bias=True, norm=False, where=squeeze)
        tally.convolution(squeezed, hidden, 1, 1, bias=True, norm=False, where=squeeze)
        tally.convolution(hidden, width, 1, pixels(after), where=inside)
        if layer.first:
            skip = Extent.chosen(row, len(OPTIONS), len(OPTIONS) - 1)
            tally.convolution(before, width, 1, pixels(after), where=skip)
        level = after
    features = network.width(HEAD)
    tally.convolution(width, features, 1, pixels(level))
    tally.linear(features, signature.outputs)
    return tally.costs


__all__ = ["FBNetV2"]
