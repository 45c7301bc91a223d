"""What every training-free score offers, and what scores of one architecture share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.declaring import Settings, setting
from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import UnknownNameError
from nascence.scores.batch_norm import replace_batch_norm
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig, Space
from nascence.supernets.cells.fused import use_box_averages
from nascence.tasks import ImageClassification
from nascence.tasks.base import Batch

T = TypeVar("T")


@final
@dataclass
class Probe:
    """One architecture under examination at one draw of weights and images.

    The draw depends on ``seed`` and ``draw`` but not on the architecture, so that architectures are compared on the
    same images. What scores have in common is computed once, through :meth:`shared`. ``evaluation``: the size of the
    network to be trained, None for the space's own. ``compute``: where networks, images and noise are; whatever is
    random is drawn on the CPU.
    """

    space: Space
    architecture: Architecture
    task: ImageClassification
    seed: int = 0
    draw: int = 0
    evaluation: NetworkConfig | None = None
    compute: Compute = ON_CPU
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def shared(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()`` once per key."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def size(self, name: str) -> NetworkConfig:
        """The size of networks called ``name``. Raises :class:`UnknownNameError`."""
        if name == "evaluation" and self.evaluation is not None:
            return self.evaluation
        if name not in self.space.networks:
            raise UnknownNameError("network size", name, self.space.networks)
        return self.space.networks[name]

    def network(
        self,
        size: NetworkConfig | str = "score",
        *,
        initialisation: str = "default",
        batch_norm: str | None = None,
        in_channels: int | None = None,
    ) -> nn.Module:
        """A freshly initialised network, the same one for the same arguments; ``batch_norm`` None leaves the library's
        normalisation, in training mode; otherwise a mode of :mod:`nascence.scores.batch_norm`."""

        def build() -> nn.Module:
            network = self.build(size, initialisation=initialisation, in_channels=in_channels)
            return network if batch_norm is None else replace_batch_norm(network, batch_norm)

        return self.shared(("network", size, initialisation, batch_norm, in_channels), build)

    def build(
        self, size: NetworkConfig | str, *, initialisation: str = "default", in_channels: int | None = None
    ) -> nn.Module:
        """The weights of :meth:`network`, in a module of the caller's own, to change at will."""
        network = self.space.build(
            self.architecture,
            network=self.size(size) if isinstance(size, str) else size,
            in_channels=self.task.in_channels if in_channels is None else in_channels,
            num_classes=self.task.num_classes,
            initialisation=initialisation,
            seed=derive_seed(self.seed, "score", "weights", self.draw),
        )
        return self.compute.place(use_box_averages(network))

    def images(self, count: int, batch: int = 0) -> tuple[Tensor, Tensor]:
        """Augmented training images [count, C, H, W] and their target [count]; ``batch`` numbers independent draws."""
        place = (batch,) if batch else ()
        random = generator(self.seed, "score", "images", self.draw, *place)
        return self.shared(
            ("images", count, batch), lambda: self.compute.place(self.task.batch(count, random, augment=True))
        )

    def noise(self, count: int, image_size: int | None = None, batch: int = 0) -> tuple[Tensor, Tensor]:
        """Standard normal inputs [count, C, H, W] and a random target [count]; ``image_size`` None: the task's."""
        height, width = self.task.image_size if image_size is None else (image_size, image_size)

        def draw() -> tuple[Tensor, Tensor]:
            random = generator(self.seed, "score", "noise", self.draw, batch)
            x_BCHW = torch.randn(count, self.task.in_channels, height, width, generator=random)
            return self.compute.place((x_BCHW, torch.randint(self.task.num_classes, (count,), generator=random)))

        return self.shared(("noise", count, height, width, batch), draw)

    def loss(self, output: Tensor, x_BCHW: Tensor, target: Tensor) -> Tensor:
        """The task's loss of a network's output for some images, the mean over them."""
        return self.task.loss(output, Batch((x_BCHW,), target))

    def patches(self, count: int, size: int, batches: int) -> Tensor:
        """One-channel patches [batches * count, 1, size, size] of training images."""

        def draw() -> Tensor:
            parts = [
                self.task.patches(count, size, 1, generator(self.seed, "score", "patches", self.draw, batch))
                for batch in range(batches)
            ]
            return self.compute.place(torch.cat(parts))

        return self.shared(("patches", count, size, batches), draw)


def is_constant(output_BK: Tensor) -> bool:
    """Whether all images have the same output, up to rounding, as in a network without a path from its input."""
    return bool((output_BK - output_BK[0]).abs().max() <= 1e-6 * output_BK.abs().max())


@dataclass(frozen=True, kw_only=True)
class Score(Settings):
    """A number computed for an architecture without training; settings are fields, each declared with
    :func:`nascence.declaring.setting`.

    ``worst`` is the value of a degenerate network (no path from input to output, constant output): never NaN.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    source: ClassVar[str]
    larger_is_better: ClassVar[bool]
    worst: ClassVar[float]
    random: ClassVar[bool] = True
    """Whether the value depends on the draw of weights or images."""
    sees_paths: ClassVar[bool] = True
    """Whether a network without a path from input to output gets :attr:`worst`; some count only what is there."""

    @abstractmethod
    def __call__(self, probe: Probe) -> float:
        """The score at the probe's draw."""

    @final
    def finite(self, value: float | Tensor) -> float:
        """``value``, or ``worst`` where it is not finite."""
        value = float(value)
        return value if math.isfinite(value) else self.worst


@dataclass(frozen=True, kw_only=True)
class Initialised(Settings):
    """Weights that a score draws."""

    initialisation: str = setting("kaiming-fan-in", "Of weights, by its name in nascence.initialisation.")


@dataclass(frozen=True, kw_only=True)
class OfNetwork(Initialised):
    """The network that a score looks at."""

    network: str = setting("ranking", "Its size, by its name in the space; the papers' is mostly evaluation.")


@dataclass(frozen=True, kw_only=True)
class OfImages(Settings):
    """The batch that a score looks at."""

    images: int = setting(16, "Images of a batch.", at_least=1)


def evaluate(
    scores: Sequence[Score],
    space: Space,
    architecture: Architecture,
    task: ImageClassification,
    *,
    seed: int = 0,
    draws: int = 1,
    first_draw: int = 0,
    evaluation: NetworkConfig | None = None,
    compute: Compute | None = None,
) -> dict[str, list[float]]:
    """Each score's value at ``draws`` draws, numbered from ``first_draw``; one that is not a number becomes the score's
    ``worst``. ``evaluation``, ``compute``: as of :class:`Probe`."""
    values: dict[str, list[float]] = {score.name: [] for score in scores}
    for draw in range(first_draw, first_draw + draws):
        probe = Probe(space, architecture, task, seed, draw, evaluation, compute or ON_CPU)
        for score in scores:
            with probe.compute.autocast():
                value = score(probe)
            values[score.name].append(score.worst if math.isnan(value) else value)
    return values


__all__ = ["Probe", "Score", "evaluate", "is_constant"]
