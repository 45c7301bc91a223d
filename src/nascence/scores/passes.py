"""What scores share: one forward in training mode with all that its layers saw, and its backward passes on demand.

Scores that agree on the network's size, its initialisation and the inputs share one :class:`TrainingPass` through
:meth:`Probe.shared`; it is freed with the probe.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, cast, final

import torch
from torch import Tensor, nn

from nascence.errors import SettingError
from nascence.scores.base import OfImages, OfNetwork, Probe, Score, is_constant, kernels
from nascence.tasks.altering import averaged_down
from nascence.tasks.base import Batch

Inputs = Literal["images", "noise"]
Loss = Callable[[Tensor, Batch], Tensor]
"""(output, batch) -> a scalar."""


@contextmanager
def watching(modules: Iterable[nn.Module], record: Callable[[nn.Module, Tensor, Tensor], None]) -> Iterator[None]:
    """Inside, ``record(module, first input, output)`` follows every forward of one of the modules."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            record(module, inputs[0], output)

    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class ReLUInputs:
    """The different inputs of a network's ReLUs, each with the number of ReLUs that read it."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Tensor, int]] = {}  # keeps the inputs alive, so that no address is used again

    def add(self, inputs: Tensor) -> None:
        _, uses = self._seen.get(id(inputs), (inputs, 0))
        self._seen[id(inputs)] = inputs, uses + 1

    def active(self) -> list[tuple[Tensor, int]]:
        """Whether each number of each different input is positive: Boolean, in the input's shape; and the ReLUs."""
        return [(inputs.detach() > 0, uses) for inputs, uses in self._seen.values()]


@dataclass(frozen=True)
class LayerUse:
    """One use of a convolution or linear layer (see :func:`is_layer`): its output, in the graph."""

    module: nn.Module
    output: Tensor


@final
class TrainingPass:
    """One forward of ``network``, in training mode, on ``batch``; the graph is kept for as many backwards as asked.
    ``loss`` of its output and the batch is what they go back from. ``inputs``: the first of the batch's inputs.

    ``layers``: the uses of convolutions and linear layers in order. ``active``: which inputs of ReLUs are positive, see
    :class:`ReLUInputs`. ``features``: the outputs of the stem and of every block (see :func:`blocks_of`); empty where
    the network names none.
    """

    def __init__(self, network: nn.Module, batch: Batch, loss: Loss) -> None:
        self.network = network
        first, *others = batch.inputs
        self.inputs = first.detach().requires_grad_()
        self._batch, self._loss = replace(batch, inputs=(self.inputs, *others)), loss
        self.layers: list[LayerUse] = []
        self.features: list[Tensor] = []
        blocks = set(blocks_of(network))
        relus = ReLUInputs()

        def record(module: nn.Module, inputs: Tensor, output: Tensor) -> None:
            if module in blocks and output.dim() == 4:
                self.features.append(output)
            if is_layer(module):
                self.layers.append(LayerUse(module, output))
            elif isinstance(module, nn.ReLU):
                relus.add(inputs)

        watched = [m for m in network.modules() if m in blocks or isinstance(m, nn.ReLU) or is_layer(m)]
        with watching(watched, record):
            self.output = network.train()(*self._batch.inputs)
        self.active = relus.active()

    @cached_property
    def constant(self) -> bool:
        """Whether all images get the same output: nothing of the input arrives."""
        return is_constant(self.output)

    @cached_property
    def loss(self) -> Tensor:
        """L, the mean over the outputs that count; in the graph."""
        return self._loss(self.output, self._batch)

    @cached_property
    def _backward(self) -> tuple[dict[nn.Parameter, Tensor], list[Tensor | None], Tensor | None]:
        """d L / d: parameters, outputs of the layers, the first of the features."""
        outputs: list[Tensor | None] = [None] * len(self.layers)

        def keep(at: int, gradient: Tensor) -> None:
            outputs[at] = gradient

        handles = [use.output.register_hook(partial(keep, at)) for at, use in enumerate(self.layers)]
        parameters = list(self.network.parameters())
        try:
            stem = (self.features or [self.inputs])[0]
            *found, at_stem = torch.autograd.grad(self.loss, [*parameters, stem], retain_graph=True, allow_unused=True)
        finally:
            for handle in handles:
                handle.remove()
        used = {p: g for p, g in zip(parameters, found, strict=True) if g is not None}
        return used, outputs, at_stem

    @property
    def gradients(self) -> dict[nn.Parameter, Tensor]:
        """d L / d parameter for every parameter that takes part."""
        return self._backward[0]

    @cached_property
    def output_products(self) -> list[Tensor | None]:
        """Of every use in ``layers``, the sum over positions of output * d L / d output [B, C]; None without a part."""
        products = (
            None if gradient is None else use.output.detach() * gradient
            for use, gradient in zip(self.layers, self._backward[1], strict=True)
        )
        return [
            None if x is None else _over_positions(x, use.module) for x, use in zip(products, self.layers, strict=True)
        ]

    @property
    def stem_gradient(self) -> Tensor | None:
        """d L / d the first of the features [B, C, H, W], or of the images without any; None without a part."""
        return self._backward[2]

    @cached_property
    def weights(self) -> list[nn.Parameter]:
        """The kernels of convolutions and matrices of linear layers that take part in L, in the order of their use,
        then the other :func:`nascence.scores.base.kernels`."""
        modules = dict.fromkeys(use.module for use in self.layers)
        weights = [cast(nn.Parameter, module.weight) for module in modules]
        return [weight for weight in dict.fromkeys([*weights, *kernels(self.network)]) if weight in self.gradients]


def is_layer(module: nn.Module) -> bool:
    """Whether it is a convolution or maps channels by a matrix ``weight`` [out, in], as linear layers of any library
    do."""
    weight = getattr(module, "weight", None)
    return isinstance(module, nn.Conv2d | nn.Linear) or (isinstance(weight, nn.Parameter) and weight.dim() == 2)


def _over_positions(x: Tensor, module: nn.Module) -> Tensor:
    """The sum over positions [B, C] of what is at the output of a layer; a matrix has its channels in the last
    dimension."""
    if x.dim() == 2:
        return x
    return (x if isinstance(module, nn.Conv2d) else x.movedim(-1, 1)).flatten(2).sum(2)


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The stem and the blocks or cells of a network, after each of which features are read; none where unnamed."""
    if isinstance(network, nn.Sequential):
        return list(network)
    inner = getattr(network, "blocks", None) or getattr(network, "cells", None)
    if not isinstance(inner, nn.ModuleList | nn.Sequential):
        return []
    stem = getattr(network, "stem", None)
    return [*([stem] if isinstance(stem, nn.Module) else []), *inner]


def training_pass(
    probe: Probe,
    network: str,
    initialisation: str,
    count: int,
    *,
    inputs: Inputs = "images",
    image_size: int | None = None,
) -> TrainingPass:
    """The probe's pass with these settings; ``image_size`` is that of noise, and what larger images are averaged down
    to (images with a class each: a picture or a graph to be given back stays as it is)."""

    def run() -> TrainingPass:
        if inputs == "noise":
            x_BCHW, target = probe.noise(count, image_size)
            batch = Batch((x_BCHW,), target)
        else:
            batch = averaged_down(probe.batch(count), probe.task.signature, image_size)
        return TrainingPass(probe.network(network, initialisation=initialisation), batch, probe.task.loss)

    return probe.shared(("pass", network, initialisation, count, inputs, image_size), run)


@dataclass(frozen=True, kw_only=True)
class TrainingPassScore(OfNetwork, OfImages, Score):
    """A score of one forward and backward on training images.

    ``network`` names a size in the space's ``networks``; the papers' is ``evaluation``. ``images``: the batch; the
    papers' is 64, but a deep network matters more to a gradient than a large batch, at the same cost.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking-deep"}

    @final
    def __call__(self, probe: Probe) -> float:
        run = training_pass(probe, self.network, self.initialisation, self.images)
        return self.worst if run.constant else self.finite(self.of(run))

    @abstractmethod
    def of(self, run: TrainingPass) -> float | Tensor:
        """The score of a pass whose output is not constant."""


def needs_features(name: str, probe: Probe, run: TrainingPass) -> list[Tensor]:
    """The pass's features. Raises :class:`SettingError` where the space's networks name no blocks."""
    if len(run.features) < 2:
        raise SettingError(
            f"{name} reads features after every block; the networks of {probe.space.name} have no `blocks` or `cells`."
        )
    return run.features


__all__ = [
    "Inputs",
    "LayerUse",
    "ReLUInputs",
    "TrainingPass",
    "TrainingPassScore",
    "blocks_of",
    "is_layer",
    "needs_features",
    "training_pass",
    "watching",
]
