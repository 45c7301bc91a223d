"""What every training-free score offers, and what scores of one architecture share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeVar, cast, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.declaring import Settings, setting
from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import SettingError
from nascence.scores.batch_norm import replace_batch_norm
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig, Size, Space
from nascence.supernets.cells.fused import use_box_averages
from nascence.tasks import Task, image_classes
from nascence.tasks.base import Batch

T = TypeVar("T")

Needs = Literal["loss", "examples", "images"]
"""What a score asks of the data: ``loss``: a batch and the loss of a network's output for it, which all have;
``examples``: that the inputs of a batch are separate examples, as pictures are and a graph's nodes are not; ``images``:
images with a class each."""

Reads = Literal["output", "blocks", "relus", "regions"]
"""What a score looks at in a network: ``output``: what comes out and the parameters, which all have; ``blocks``: the
features after named blocks; ``relus``: modules that are :class:`torch.nn.ReLU`; ``regions``: a network of the space for
one channel and without stem."""


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
    task: Task
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
        """The size of networks called ``name``, without dropout. Raises :class:`SettingError`."""
        if name == "evaluation" and self.evaluation is not None:
            return undropped(self.evaluation)
        check_size(self.space, name)
        return undropped(self.space.networks[name])

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
        signature = self.task.signature
        network = self.space.build(
            self.architecture,
            network=self.size(size) if isinstance(size, str) else size,
            signature=signature if in_channels is None else replace(signature, features=in_channels),
            initialisation=initialisation,
            seed=derive_seed(self.seed, "score", "weights", self.draw),
        )
        return self.compute.place(use_box_averages(network))

    def images(self, count: int, batch: int = 0) -> tuple[Tensor, Tensor]:
        """The inputs [count, C, H, W] and the target of a :meth:`batch` of images."""
        found = self.batch(count, batch)
        return found.inputs[0], found.target

    def batch(self, count: int, number: int = 0) -> Batch:
        """``count`` augmented training examples; ``number`` counts independent draws."""
        place = (number,) if number else ()
        random = generator(self.seed, "score", "images", self.draw, *place)
        return self.shared(("batch", count, number), lambda: self.compute.place(self.task.drawn(count, random)))

    def noise(self, count: int, image_size: int | None = None, batch: int = 0) -> tuple[Tensor, Tensor]:
        """Standard normal inputs [count, C, H, W] and a random target [count]; ``image_size`` None: the task's."""
        signature = self.task.signature
        height, width = signature.size if image_size is None else (image_size, image_size)

        def draw() -> tuple[Tensor, Tensor]:
            random = generator(self.seed, "score", "noise", self.draw, batch)
            x_BCHW = torch.randn(count, signature.features, height, width, generator=random)
            return self.compute.place((x_BCHW, torch.randint(signature.outputs, (count,), generator=random)))

        return self.shared(("noise", count, height, width, batch), draw)

    def ones(self) -> tuple[Tensor, ...]:
        """The inputs of one example, all ones, in float64; edges are those of the signature's example graph."""
        example = (x.double().fill_(1) if x.is_floating_point() else x for x in self.task.signature.example())
        return self.compute.place(tuple(example))

    def patches(self, count: int, size: int, batches: int) -> Tensor:
        """One-channel patches [batches * count, 1, size, size] of training images."""
        images = image_classes(self.task, "A score of patches")

        def draw() -> Tensor:
            parts = [
                images.patches(count, size, 1, generator(self.seed, "score", "patches", self.draw, batch))
                for batch in range(batches)
            ]
            return self.compute.place(torch.cat(parts))

        return self.shared(("patches", count, size, batches), draw)


def check_size(space: Space, name: str) -> None:
    """Raise :class:`SettingError` where networks of ``space`` have no size called ``name``."""
    if name not in space.networks:
        have = list(space.networks)
        small = next((size for size in ("ranking", "search-small") if size in have), have[0])
        raise SettingError(
            f"{space.name} has no network size '{name}' for scores to look at; it has {', '.join(have)}. Type one of "
            f"them: --network {small} for nascence score, --set network={small} for --method rank."
        )


def undropped(size: Size) -> Size:
    """A network's size without its dropout, if it has any: what is looked at is the whole network."""
    names = [field.name for field in fields(size) if field.name.endswith("dropout")]
    return replace(size, **dict.fromkeys(names, 0.0)) if names else size


def kernels(network: nn.Module) -> list[nn.Parameter]:
    """The kernels of convolutions and matrices of linear layers, then all other parameters of two dimensions or more
    (of graph layers, attention, recurrent parts); each once."""
    layers = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    weights = [cast(nn.Parameter, layer.weight) for layer in layers]
    return list(dict.fromkeys([*weights, *(p for p in network.parameters() if p.dim() > 1)]))


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
    needs: ClassVar[Needs] = "images"
    because: ClassVar[str] = "it looks at how a network tells images apart"
    """Why it needs what it :attr:`needs`, for a sentence."""
    reads: ClassVar[Reads] = "output"

    @abstractmethod
    def __call__(self, probe: Probe) -> float:
        """The score at the probe's draw."""

    @final
    @classmethod
    def looking_at(cls, network: str | None) -> Self:
        """The score with its defaults, on networks of the size called ``network`` where it looks at a size of one's
        choice; None for what it wants."""
        looks = network is not None and "network" in cls.__dataclass_fields__
        return cls(**({"network": network} if looks else {}))

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
    task: Task,
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


__all__ = ["Needs", "Probe", "Reads", "Score", "check_size", "evaluate", "is_constant", "kernels", "undropped"]
