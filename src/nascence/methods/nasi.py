"""NASI: one step of ascent on the kernel trace at initialisation, agnostic of labels and data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.errors import SettingError, UnknownNameError
from nascence.methods.base import Method, Problem, at_least
from nascence.relaxations.decisions import Decisions
from nascence.scores.ntk_trace import squared_gradient_norm
from nascence.seeding import derive_seed, generator
from nascence.spaces import CellSpace
from nascence.spaces.cells import cell_space
from nascence.strategies import Strategy
from nascence.strategies.kernel_ascent import KernelAscent
from nascence.supernets.cells import CellSupernet
from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Batch


@final
@dataclass(frozen=True, kw_only=True)
class NASI(Method):
    """Settings of NASI (Shu, Cai, Dai, Ooi & Low, ICLR 2022, arXiv 2109.00817).

    ``steps``: T, the gradients that are averaged. ``images``: batch b of each. ``mu``: weight of the constraint s < nu;
    1 ignores samples above nu (the paper on NB1Shot1), 2 pushes them down as strongly as the others up (on darts).
    ``nu``: the constraint, or none for the running mean of s (NASI-ADA, a reconstruction). ``nu_start``: an earlier
    observation for that mean. ``temperature``: of the Gumbel-softmax. ``labels``, ``data``: ``random`` labels and
    ``noise`` images for the agnostic variants. ``initialisation``: see :mod:`nascence.initialisation`. ``channels``,
    ``depth``: of the one-shot network, none for the space's ``proxy`` size. ``image_size``: larger images are averaged
    down to it. ``exclude``: operations that take no part, separated by commas; with ``none`` among the options a
    normalisation of all-zero channels multiplies gradients by hundreds and drowns the others.
    """

    name: ClassVar[str] = "nasi"
    title: ClassVar[str] = "NASI: kernel-trace ascent at initialisation, label- and data-agnostic"
    paper: ClassVar[str] = "arXiv 2109.00817"

    steps: int = 100
    images: int = 64
    mu: float = 1.0
    nu: float | None = None
    nu_start: float | None = None
    temperature: float = 1.0
    labels: Literal["true", "random"] = "true"
    data: Literal["true", "noise"] = "true"
    initialisation: str = "default"
    channels: int | None = None
    depth: int | None = None
    image_size: int | None = 16
    exclude: str = "none"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, channels=self.channels, depth=self.depth, image_size=self.image_size)
        at_least(2, images=self.images)
        at_least(1e-6, temperature=self.temperature, nu=self.nu)

    def strategy(self, problem: Problem) -> Strategy:
        space = cell_space(problem.space, self.name)
        problem.images.check_batch(self.images)
        excluded = {name.strip() for name in self.exclude.split(",") if name.strip()}
        for name in excluded - set(space.operations) - {"none"}:
            raise UnknownNameError("operation", name, space.operations)
        possible = {option for choice in space.choices for option in choice.options}
        allowed = tuple(name for name in space.operations if name in possible and name not in excluded)
        if not allowed:
            raise SettingError(f"exclude leaves no operation of {space.name}; keep one or more.")
        decisions = Decisions(space, allowed)
        return KernelAscent(
            decisions,
            _Trace(self, problem, space, decisions),
            steps=self.steps,
            mu=self.mu,
            nu=self.nu,
            nu_start=self.nu_start,
            budget=problem.budget,
        )


class _Trace:
    """s of a sampled architecture on a batch, and its gradient in the logits, at one fixed initialisation."""

    def __init__(self, settings: NASI, problem: Problem, space: CellSpace, decisions: Decisions) -> None:
        self.settings, self.problem, self.decisions = settings, problem, decisions
        network = space.networks["proxy"]
        network = replace(
            network, channels=settings.channels or network.channels, depth=settings.depth or network.depth
        )
        self.supernet = CellSupernet(
            space,
            network,
            in_channels=problem.images.in_channels,
            num_classes=problem.images.num_classes,
            initialisation=settings.initialisation,
            seed=derive_seed(problem.seed, "nasi", "weights"),
        )

    def __call__(self, logits: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        seed, task = self.problem.seed, self.problem.images
        x_BCHW, target_B = task.batch(self.settings.images, generator(seed, "nasi", "images", step), augment=True)
        if self.settings.data == "noise":
            x_BCHW = torch.randn(x_BCHW.shape, generator=generator(seed, "nasi", "noise", step))
        if self.settings.labels == "random":
            target_B = torch.randint(
                task.num_classes, target_B.shape, generator=generator(seed, "nasi", "labels", step)
            )
        logits = {name: value.clone().requires_grad_() for name, value in logits.items()}
        weights = self.decisions.straight_through(
            logits, generator(seed, "nasi", "gumbel", step), self.settings.temperature
        )
        x_BCHW = shrink(x_BCHW, self.settings.image_size)
        loss = task.loss(self.supernet(x_BCHW, weights), Batch((x_BCHW,), target_B))
        trace = squared_gradient_norm(self.supernet, loss, create_graph=True)
        gradients = torch.autograd.grad(trace, list(logits.values()))
        return trace.detach(), dict(zip(logits, gradients, strict=True))
