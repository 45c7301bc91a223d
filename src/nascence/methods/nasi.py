"""NASI: one step of ascent on the kernel trace at initialisation, agnostic of labels and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.declaring import setting
from nascence.errors import SettingError, UnknownNameError
from nascence.methods.base import Method, Problem
from nascence.methods.parts import Excluding, Probing, Resized
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
class NASI(Probing, Resized, Excluding, Method):
    """NASI (Shu, Cai, Dai, Ooi & Low, ICLR 2022, arXiv 2109.00817).

    With ``none`` among the options a normalisation of all-zero channels multiplies gradients by hundreds and drowns the
    others, so that it is excluded. The one-shot network has the space's ``proxy`` size.
    """

    name: ClassVar[str] = "nasi"
    title: ClassVar[str] = "NASI: kernel-trace ascent at initialisation, label- and data-agnostic"
    paper: ClassVar[str] = "arXiv 2109.00817"
    on_device: ClassVar[bool] = True

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"images": 64, "image_size": 16, "exclude": "none"}

    steps: int = setting(100, "T, the gradients that are averaged.", at_least=1)
    mu: float = setting(
        1.0,
        "Weight of the constraint s < nu; 1 ignores samples above nu (the paper on NB1Shot1), 2 pushes them down as "
        "strongly as the others up (on darts).",
    )
    nu: float | None = setting(
        None, "The constraint, or none for the running mean of s (NASI-ADA, a reconstruction).", at_least=1e-6
    )
    nu_start: float | None = setting(None, "An earlier observation for that mean.")
    temperature: float = setting(1.0, "Of the Gumbel-softmax.", at_least=1e-6)
    labels: Literal["true", "random"] = setting("true", "Random ones for the label-agnostic variant.")
    data: Literal["true", "noise"] = setting("true", "Noise for the data-agnostic variant.")

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
        problem.compute.place(self.supernet)

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
        compute = self.problem.compute
        x_BCHW, weights = shrink(compute.place(x_BCHW), self.settings.image_size), compute.place(weights)
        batch = Batch((x_BCHW,), compute.place(target_B))
        trace = squared_gradient_norm(
            self.supernet, task.loss(self.supernet(x_BCHW, weights), batch), create_graph=True
        )
        gradients = torch.autograd.grad(trace, list(logits.values()))
        return trace.detach().cpu(), dict(zip(logits, gradients, strict=True))
