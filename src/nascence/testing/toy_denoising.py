"""Pictures made of flat squares under noise, and a space of small denoisers: a task whose output is a picture, with
choices of every role that a dense network has (operation, input, width, exit)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import DataError
from nascence.initialisation import initialise
from nascence.seeding import derive_seed, generator, seeded_globally
from nascence.spaces import SPACES, Choice, NetworkConfig, get_space
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, MaskedWidth, MixedOperation, MixedSum, MixedSupernet
from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Split, Task
from nascence.tasks.numbered import NumberedBatches

_OPERATIONS, _INPUTS, _WIDTHS, _EXITS = ("conv3x3", "conv1x1"), ("0", "1"), ("half", "full"), ("1", "2")
_NOISE, _SIDE = 0.2, 16


@final
@dataclass(frozen=True, eq=False)
class ToyDenoising(Task):
    """``pictures`` [N, 1, 16, 16] in [0, 1], squares of 4 x 4 pixels; the last ``test_pictures`` are the test ones.
    ``chosen_N``: places of the training ones, None for all others.

    Training noise is new in every batch; the noise of a picture in :meth:`ToyPart.passing` is always the same.
    """

    pictures: Tensor
    test_pictures: int = 8
    name: str = "toy-denoising"
    chosen_N: Tensor | None = None

    @classmethod
    def make(cls, train: int = 24, test: int = 8, seed: int = 0) -> ToyDenoising:
        grey = torch.rand(train + test, 1, _SIDE // 4, _SIDE // 4, generator=generator(seed, "toy pictures"))
        return cls(grey.repeat_interleave(4, 2).repeat_interleave(4, 3), test)

    @property
    def loss_name(self) -> str:
        return "mse"

    @property
    def metric(self) -> Metric:
        return Metric("psnr", "dB")

    @property
    def signature(self) -> Signature:
        return Signature("images", 1, 1, (_SIDE, _SIDE), dense=True)

    def part(self, split: Split) -> ToyPart:
        if split == "validation":
            raise DataError(f"'{self.name}' has no validation pictures of its own.")
        border = len(self.pictures) - self.test_pictures
        if split == "test":
            return ToyPart(self, torch.arange(border, len(self.pictures)))
        return ToyPart(self, torch.arange(border) if self.chosen_N is None else self.chosen_N)

    def divided(self, share: float, seed: int) -> tuple[ToyPart, ToyPart]:
        at_N = self.part("train").at_N
        order_N = at_N[torch.randperm(len(at_N), generator=generator(seed, "split"))]
        cut = round(share * len(at_N))
        return ToyPart(self, order_N[:cut]), ToyPart(self, order_N[cut:])

    def narrowed(self, part: Part) -> ToyDenoising:
        assert isinstance(part, ToyPart)
        return replace(self, chosen_N=part.at_N)

    def union(self, parts: Sequence[Part]) -> ToyPart:
        return ToyPart(self, torch.cat([part.at_N for part in parts if isinstance(part, ToyPart)]))

    def noisy(self, at_B: Tensor, random: torch.Generator) -> Batch:
        clean = self.pictures[at_B]
        return Batch((clean + _NOISE * torch.randn(clean.shape, generator=random),), clean)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean squared error."""
        return F.mse_loss(output.float(), batch.target)

    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        error_B = (output.detach().float() - batch.target).square().mean((1, 2, 3))
        return {"count": error_B.new_full((), len(error_B)), "psnr": (-10 * error_B.log10()).sum()}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``psnr`` in dB, the mean over the pictures."""
        return {"psnr": float(sums["psnr"]) / float(sums["count"])}

    def distance(self, output: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """The mean squared difference; a picture has no temperature."""
        return F.mse_loss(output.float(), teacher.detach().float())

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        return torch.stack([output.float() for output in outputs]).mean(0)

    def describe(self) -> dict[str, Any]:
        return {"kind": "toy-denoising", "input_shape": list(self.signature.input_shape), "noise": _NOISE}


@final
@dataclass(frozen=True, eq=False)
class ToyPart(Part):
    """Some pictures, by their places ``at_N``."""

    task: ToyDenoising
    at_N: Tensor

    def __len__(self) -> int:
        return len(self.at_N)

    def first(self, count: int | None) -> ToyPart:
        return ToyPart(self.task, self.at_N[:count])

    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        def make(places_B: Tensor, random: torch.Generator) -> Batch:
            return self.task.noisy(self.at_N[places_B], random)

        return NumberedBatches(len(self), size, seed, name, make)

    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        for at_B in self.at_N.split(size):
            each = [self.task.noisy(at, generator(0, "toy noise", int(at))) for at in at_B.split(1)]
            yield Batch((torch.cat([one.inputs[0] for one in each]),), torch.cat([one.target for one in each]))


class _Denoiser(nn.Module):
    """x + tail(exit): two layers, the second from the head's features or from the first layer's.

    The four functions say what stands where a choice is made; ``exit`` sees the outputs of the layers that there are.
    """

    def __init__(
        self,
        channels: int,
        signature: Signature,
        layers: int,
        operation: Callable[[int], nn.Module],
        source: Callable[[Sequence[Tensor]], Tensor],
        width: Callable[[Tensor], Tensor],
        exit: Callable[[Sequence[Tensor]], Tensor],
    ) -> None:
        super().__init__()
        self.head = nn.Conv2d(signature.features, channels, 3, padding=1)
        self.layers = nn.ModuleList(operation(at) for at in range(layers))
        self.tail = nn.Conv2d(channels, signature.outputs, 3, padding=1)
        self.source, self.width, self.exit = source, width, exit

    def forward(self, x_BCHW: Tensor) -> Tensor:
        states = [self.width(self.head(x_BCHW))]
        for at, layer in enumerate(self.layers):
            states.append(self.width(layer(states[0] if at == 0 else self.source(states))))
        return x_BCHW + self.tail(self.exit(states[1:]))


@final
class ToyDenoiserSpace(RowwiseSpace):
    """Two layers of ``conv3x3`` or ``conv1x1``, the input of the second, one width for all, and after which layer the
    network ends: 32 architectures, whose text is the answers with commas. Obtain it from :func:`toy_denoiser_space`."""

    name = "toy-denoiser"
    choices = (
        Choice("layer1", _OPERATIONS),
        Choice("layer2", _OPERATIONS),
        Choice("input2", _INPUTS),
        Choice("width", _WIDTHS, ordered=True),
        Choice("exit", _EXITS, ordered=True),
    )
    networks = {
        name: NetworkConfig(channels=4) for name in ("evaluation", "search", "search-small", "score", "ranking")
    } | {"ranking-deep": NetworkConfig(channels=4)}

    @property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        return (
            ChoiceGroup("layers", ("layer1", "layer2"), _OPERATIONS),
            ChoiceGroup("inputs", ("input2",), _INPUTS, "input"),
            ChoiceGroup("widths", ("width",), _WIDTHS, "width"),
            ChoiceGroup("exits", ("exit",), _EXITS, "exit"),
        )

    def format(self, architecture: Architecture) -> str:
        return ",".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.strip().split(","))

    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        network.refuse(self.name, "depth", "stages", "stem_channels", "auxiliary")
        *operations, source, width, exit = architecture.answers
        channels = _widths(network.channels)[_WIDTHS.index(width)]
        return _Denoiser(
            channels,
            signature,
            int(exit),
            lambda at: _operation(operations[at], channels),
            lambda states: states[int(source)],
            lambda x: x,
            lambda states: states[-1],
        )

    def supernet(self, network: Any, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        assert isinstance(network, NetworkConfig)
        channels = network.channels
        with seeded_globally(derive_seed(seed, "construction")):
            module = _Denoiser(
                channels,
                signature,
                2,
                lambda at: MixedOperation("layers", at, [_operation(name, channels) for name in _OPERATIONS]),
                MixedSum("inputs", 0),
                MaskedWidth("widths", 0, _widths(channels)),
                MixedSum("exits", 0),
            )
        return MixedSupernet(self.groups, initialise(module, "default", generator(seed, "weights")))


def _widths(channels: int) -> tuple[int, int]:
    return max(1, channels // 2), channels


def _operation(name: str, channels: int) -> nn.Module:
    kernel = 3 if name == "conv3x3" else 1
    return nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2), nn.ReLU())


def toy_denoiser_space() -> ToyDenoiserSpace:
    """The space of toy denoisers, known as ``toy-denoiser`` from the first call on."""
    if ToyDenoiserSpace.name not in SPACES.names():
        SPACES.register(ToyDenoiserSpace.name, ToyDenoiserSpace)
    space = get_space(ToyDenoiserSpace.name)
    assert isinstance(space, ToyDenoiserSpace)
    return space


__all__ = ["ToyDenoiserSpace", "ToyDenoising", "ToyPart", "toy_denoiser_space"]
