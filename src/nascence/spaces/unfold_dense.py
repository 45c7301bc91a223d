"""Denoisers of densely connected blocks inside an unfolded data step: the space of MoD-NAS (Ning et al., arXiv
2104.02525). The paper's text could not be read in full; what is searched inside a block is a reconstruction."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.initialisation import initialise
from nascence.operations.plain import PLAIN, plain_amounts, plain_operation
from nascence.operations.unfolding import Unfolded
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces.base import Choice
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MaskedWidth, MixedOperation, MixedPart, MixedSupernet
from nascence.supernets.dense import DenseBlock, DensePrior, MixedBlock, MixedMean
from nascence.supernets.extents import Row, joined
from nascence.tasks.base import Signature

BLOCKS, LAYERS = 2, 4
WIDTHS = ("0.25", "0.5", "0.75", "1.0")
EXITS = tuple(str(at) for at in range(LAYERS + 1))


@final
@dataclass(frozen=True, kw_only=True)
class UnfoldSize:
    """``channels``: of the full width, a multiple of four. ``unfolding``: data steps T, through all of which the same
    network is used; 0 for a plain residual network, which is not guided by the model."""

    channels: int
    unfolding: int = 0

    def __post_init__(self) -> None:
        if self.channels < 4 or self.channels % 4:
            raise SettingError(f"unfold-dense divides channels into quarters; {self.channels} is no multiple of 4.")
        if self.unfolding < 0:
            raise SettingError(f"unfolding is a number of data steps, 0 for none, not {self.unfolding}.")


@final
class UnfoldDense(RowwiseSpace):
    """y + f(y), or T data steps with f inside (:class:`nascence.operations.unfolding.Unfolded`), where f is a 3 x 3
    convolution with ReLU, two blocks and a 3 x 3 convolution.

    A block has four layers. Each has an operation; its input is the mean of one or two earlier ones (0 is the block's
    own input); the block adds the output of the layer at its exit to its input, and with exit 0 does nothing. Layers
    that the exit does not need are not built. Widths are shares of the full width, of the features between blocks
    (``trunk``) and inside of each block, which works on the first channels of the trunk and cannot be wider. The text::

        1.0|0.5,4,sep3x3,conv3x3<1,skip<0+2,sep5x5<3|0.75,0,...

    is the trunk's width, then for each block its width, its exit and its layers, with the inputs of all but the first.
    """

    name = "unfold-dense"
    size_class: ClassVar[type] = UnfoldSize
    networks = {
        "evaluation": UnfoldSize(channels=24),
        "search": UnfoldSize(channels=64, unfolding=3),
        "search-small": UnfoldSize(channels=24),
    }

    def __init__(self) -> None:
        self.choices = (
            Choice("trunk/width", WIDTHS, ordered=True),
            *(choice for block in range(1, BLOCKS + 1) for choice in _block_choices(f"block{block}")),
        )

    @cached_property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        """All operations; all exits; all widths; the inputs of every layer number by itself, since they differ in
        number."""
        blocks = [f"block{block}" for block in range(1, BLOCKS + 1)]
        layers = range(1, LAYERS + 1)
        return (
            ChoiceGroup("operations", tuple(f"{block}/layer{layer}" for block in blocks for layer in layers), PLAIN),
            *(
                ChoiceGroup(
                    f"inputs{layer}", tuple(f"{block}/input{layer}" for block in blocks), INPUTS[layer], "input"
                )
                for layer in layers[1:]
            ),
            ChoiceGroup("exits", tuple(f"{block}/exit" for block in blocks), EXITS, "exit"),
            ChoiceGroup("widths", ("trunk/width", *(f"{block}/width" for block in blocks)), WIDTHS, "width"),
        )

    def format(self, architecture: Architecture) -> str:
        answers = self.answers(architecture)
        blocks = []
        for block in (f"block{at}" for at in range(1, BLOCKS + 1)):
            layers = [answers[f"{block}/layer1"]]
            layers += [
                f"{answers[f'{block}/layer{at}']}<{answers[f'{block}/input{at}']}" for at in range(2, LAYERS + 1)
            ]
            blocks.append(",".join([answers[f"{block}/width"], answers[f"{block}/exit"], *layers]))
        return "|".join([answers["trunk/width"], *blocks])

    def parse(self, text: str) -> Architecture:
        trunk, *blocks = text.strip().split("|")
        answers = [trunk]
        layers = ",".join([r"(\w+)", *[r"(\w+)<([\d+]+)"] * (LAYERS - 1)])
        for block in blocks:
            match = re.fullmatch(rf"([\d.]+),(\d),{layers}", block, re.ASCII)
            if match is None:
                raise ArchitectureError(
                    f"'{block[:80]}' is no block of {self.name}; expected such as "
                    "0.5,4,sep3x3,conv3x3<1,skip<0+2,skip<3."
                )
            answers += match.groups()
        return self.architecture(answers)

    def answers(self, architecture: Architecture) -> dict[str, str]:
        """By the names of the choices."""
        return dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Layers that are not built have the first options, and no block is wider than the trunk."""
        answers = self.answers(architecture)
        trunk = WIDTHS.index(answers["trunk/width"])
        for number in range(1, BLOCKS + 1):
            block = f"block{number}"
            used = used_layers(answers, block)
            answers[f"{block}/width"] = WIDTHS[min(trunk, WIDTHS.index(answers[f"{block}/width"])) if used else 0]
            for layer in set(range(1, LAYERS + 1)) - used:
                answers[f"{block}/layer{layer}"] = PLAIN[0]
                if layer > 1:
                    answers[f"{block}/input{layer}"] = INPUTS[layer][0]
        return self.architecture([answers[choice.name] for choice in self.choices])

    def assemble(self, architecture: Architecture, network: Any, signature: Signature) -> nn.Module:
        check(self.name, signature)
        answers = self.answers(architecture)
        channels = width(network.channels, answers["trunk/width"])
        blocks = []
        for block in (f"block{at}" for at in range(1, BLOCKS + 1)):
            inner = min(channels, width(network.channels, answers[f"{block}/width"]))
            layers = {
                layer: plain_operation(answers[f"{block}/layer{layer}"], inner)
                for layer in sorted(used_layers(answers, block))
            }
            inputs = {layer: sources(answers.get(f"{block}/input{layer}", "0")) for layer in layers}
            blocks.append(DenseBlock(layers, inputs, int(answers[f"{block}/exit"]), inner))
        return Unfolded(DensePrior(channels, signature, blocks), network.unfolding)

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, UnfoldSize)
        check(self.name, signature)
        widths = [width(network.channels, share) for share in WIDTHS]
        with seeded_globally(derive_seed(seed, "construction")):
            blocks = [_mixed_block(number, network.channels, widths) for number in range(BLOCKS)]
            prior = DensePrior(network.channels, signature, blocks, MaskedWidth("widths", 0, widths))
        module = initialise(Unfolded(prior, network.unfolding), "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, module, expected_costs(network, signature))

    def cost_terms(self, network: Any, signature: Signature) -> dict[str, list[Extent]]:
        check(self.name, signature)
        return self.by_choice(expected_costs(network, signature))


def expected_costs(network: UnfoldSize, signature: Signature) -> dict[str, list[Extent]]:
    """``params``, and ``flops`` (2 a multiply-add; on the signature's size, all data steps), as numbers that add up.

    A layer costs what its operation does at the smaller width of trunk and block, if the exit needs it."""
    widths = [float(width(network.channels, share)) for share in WIDTHS]
    trunk = Extent.of(("widths", 0), widths)
    params = [(9 * signature.features + 1 + 9 * signature.outputs) * trunk, Extent.fixed(signature.outputs)]
    macs = [9 * (signature.features + signature.outputs) * trunk]
    for block in range(BLOCKS):
        inner = joined(torch.minimum, trunk, Extent.of(("widths", block + 1), widths))
        for layer in range(1, LAYERS + 1):
            row = ("operations", block * LAYERS + layer - 1)
            used = _need(block, layer)
            for name, found in (("params", params), ("macs", macs)):
                square, linear = (Extent.of(row, [plain_amounts(o)[name][at] for o in PLAIN]) for at in (0, 1))
                found.append(used * (square * (inner * inner) + linear * inner))
    params.append(Extent.fixed(2 * network.unfolding))
    height, across = signature.size
    repeats = 2.0 * height * across * max(1, network.unfolding)
    return {"params": params, "flops": [repeats * part for part in macs]}


def _need(block: int, layer: int) -> Extent:
    """1 where the exit of ``block``, from 0, needs ``layer``, by the exit and the inputs of later layers."""
    later = range(layer + 1, LAYERS + 1)
    rows: tuple[Row, ...] = (("exits", block), *((f"inputs{number}", block) for number in later))
    values = torch.zeros([len(EXITS), *(len(INPUTS[number]) for number in later)], dtype=torch.float64)
    for places in itertools.product(*(range(length) for length in values.shape)):
        inputs = {number: sources(INPUTS[number][at]) for number, at in zip(later, places[1:], strict=True)}
        values[places] = float(layer in needed(places[0], inputs))
    return Extent(rows, values)


def _mixed_block(block: int, channels: int, widths: Sequence[int]) -> MixedBlock:
    """Block number ``block``, from 0."""
    operations = [
        MixedOperation("operations", block * LAYERS + at, [plain_operation(name, channels) for name in PLAIN])
        for at in range(LAYERS)
    ]
    inputs = {
        layer: MixedMean(f"inputs{layer}", block, [sources(option) for option in options])
        for layer, options in INPUTS.items()
    }
    smaller = [[min(trunk, inner) for inner in widths] for trunk in widths]
    mask = MaskedWidth("widths", 0, smaller, ("widths", block + 1))
    return MixedBlock(operations, inputs, MixedPart("exits", block), mask)


def check(name: str, signature: Signature) -> None:
    if not signature.dense or signature.scale != 1 or signature.features != signature.outputs:
        raise SettingError(f"Networks of {name} restore pictures of the same size, as --task denoise asks for.")


def width(channels: int, share: str) -> int:
    """In channels."""
    return channels * (WIDTHS.index(share) + 1) // len(WIDTHS)


def sources(text: str) -> tuple[int, ...]:
    """``0+2`` as (0, 2)."""
    return tuple(int(part) for part in text.split("+"))


def used_layers(answers: Mapping[str, str], block: str) -> set[int]:
    """The layers that the exit of ``block`` needs."""
    inputs = {layer: sources(answers[f"{block}/input{layer}"]) for layer in INPUTS}
    return needed(int(answers[f"{block}/exit"]), inputs)


def needed(exit: int, inputs: Mapping[int, Sequence[int]]) -> set[int]:
    """The layers that an exit needs; inputs of layers that are not among ``inputs`` are not followed."""
    waiting, found = [exit], set[int]()
    while waiting:
        layer = waiting.pop()
        if layer and layer not in found:
            found.add(layer)
            waiting += inputs.get(layer, ())
    return found


def _inputs(layer: int) -> tuple[str, ...]:
    """One or two of the earlier ones."""
    earlier = [str(at) for at in range(layer)]
    pairs: Sequence[tuple[str, str]] = list(itertools.combinations(earlier, 2))
    return (*earlier, *("+".join(pair) for pair in pairs))


INPUTS = {layer: _inputs(layer) for layer in range(2, LAYERS + 1)}


def _block_choices(block: str) -> list[Choice]:
    found = [Choice(f"{block}/width", WIDTHS, ordered=True), Choice(f"{block}/exit", EXITS, ordered=True)]
    for layer in range(1, LAYERS + 1):
        found.append(Choice(f"{block}/layer{layer}", PLAIN))
        if layer > 1:
            found.append(Choice(f"{block}/input{layer}", INPUTS[layer]))
    return found


__all__ = ["BLOCKS", "INPUTS", "LAYERS", "WIDTHS", "UnfoldDense", "UnfoldSize"]
