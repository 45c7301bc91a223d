"""NASI: one step of ascent on the kernel trace at initialisation, agnostic of labels and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.declaring import setting
from nascence.errors import SettingError, UnknownNameError
from nascence.initialisation import initialise
from nascence.methods.base import Method, Problem
from nascence.methods.parts import Excluding, Probing, Resized
from nascence.relaxations.decisions import Decisions, RowDecisions
from nascence.scores.ntk_trace import squared_gradient_norm
from nascence.seeding import derive_seed, generator
from nascence.spaces import Size
from nascence.spaces.relaxable import RelaxableSpace, relaxable
from nascence.strategies import Strategy
from nascence.strategies.kernel_ascent import KernelAscent
from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Batch


@final
@dataclass(frozen=True, kw_only=True)
class NASI(Probing, Resized, Excluding, Method):
    """NASI (Shu, Cai, Dai, Ooi & Low, ICLR 2022, arXiv 2109.00817).

    With ``none`` among the options a normalisation of all-zero channels multiplies gradients by hundreds and drowns the
    others, so that it is excluded. The one-shot network has the space's ``proxy`` size; where there is none, and on
    other spaces than of cells, ``search-small``, without dropout.
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
        space = relaxable(problem.space, self.name)
        if space.brings_weights:
            raise SettingError(
                f"nasi looks at networks at initialisation, and those of {space.name} bring their weights; try "
                "--method random or --method evolution."
            )
        if self.labels == "random" and problem.task.signature.dense:
            raise SettingError(f"labels=random is about classes, and '{problem.task.name}' has none; leave it out.")
        problem.task.check_batch(self.images)
        decisions = self._decisions(space)
        return KernelAscent(
            decisions,
            _Trace(self, problem, space, decisions),
            steps=self.steps,
            mu=self.mu,
            nu=self.nu,
            nu_start=self.nu_start,
            budget=problem.budget,
        )

    def _decisions(self, space: RelaxableSpace) -> Decisions | RowDecisions:
        """Over edges and sets of edges of cells, else over the rows of choice groups, of whose options those of the
        role ``operation`` can be excluded."""
        excluded = {name.strip() for name in self.exclude.split(",") if name.strip()}
        cells = space.as_cells
        groups = [group for group in space.groups if cells is not None or group.role == "operation"]
        known = list(dict.fromkeys(name for group in groups for name in group.options))
        for name in excluded - set(known) - {"none"}:
            raise UnknownNameError("operation", name, known)
        left = {group.name: tuple(name for name in group.options if name not in excluded) for group in groups}
        options = {group.name: left.get(group.name, group.options) for group in space.groups}
        possible = {option for choice in space.choices for option in choice.options}
        if cells is not None:
            allowed = tuple(name for name in cells.operations if name in possible and name not in excluded)
            if allowed:
                return Decisions(cells, allowed)
        else:
            rows = RowDecisions(space, options)
            if all(bool(value.isfinite().any(-1).all()) for value in rows.zeros().values()):
                return rows
        raise SettingError(f"exclude leaves no operation of {space.name}; keep one or more.")

    def network(self, space: RelaxableSpace) -> Size:
        """The size of the one-shot network: ``proxy``, else ``search-small``, of the channels and depth that are set.

        Raises :class:`SettingError` where sizes of ``space`` have no such field.
        """
        size = space.networks["proxy" if "proxy" in space.networks else "search-small"]
        return space.resized(size, channels=self.channels, depth=self.depth)


class _Trace:
    """s of a sampled architecture on a batch, and its gradient in the logits, at one fixed initialisation."""

    def __init__(
        self, settings: NASI, problem: Problem, space: RelaxableSpace, decisions: Decisions | RowDecisions
    ) -> None:
        self.settings, self.problem, self.decisions = settings, problem, decisions
        seed = derive_seed(problem.seed, "nasi", "weights")
        own = "initialisation" in space.supernet_options
        options: dict[str, Any] = {"initialisation": settings.initialisation} if own else {}
        self.supernet = space.supernet(settings.network(space), problem.task.signature, seed=seed, **options)
        if not own and settings.initialisation != "default":
            initialise(self.supernet, settings.initialisation, generator(seed, "weights"))
        problem.compute.place(self.supernet)

    def __call__(self, logits: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        logits = {name: value.clone().requires_grad_() for name, value in logits.items()}
        compute = self.problem.compute
        weights = compute.place(
            self.decisions.straight_through(
                logits, generator(self.problem.seed, "nasi", "gumbel", step), self.settings.temperature
            )
        )
        batch = self._batch(step)
        try:
            with self.supernet.undropped():
                loss = self.problem.task.loss(self.supernet(*batch.inputs, weights=weights), batch)
            trace = squared_gradient_norm(self.supernet, loss, create_graph=True)
            gradients = torch.autograd.grad(trace, list(logits.values()), allow_unused=True)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise SettingError(
                f"nasi needs second derivatives, and a part of the networks of {self.problem.space.name} has none; try "
                "--method gdas."
            ) from None
        found = {
            name: torch.zeros_like(value) if gradient is None else gradient
            for (name, value), gradient in zip(logits.items(), gradients, strict=True)
        }
        return trace.detach().cpu(), found

    def _batch(self, step: int) -> Batch:
        """The step's examples; images with classes are averaged down."""
        seed, task = self.problem.seed, self.problem.task
        batch = task.drawn(self.settings.images, generator(seed, "nasi", "images", step))
        first, *others = batch.inputs
        target = batch.target
        if self.settings.data == "noise":
            first = torch.randn(first.shape, generator=generator(seed, "nasi", "noise", step))
        if self.settings.labels == "random":
            random = generator(seed, "nasi", "labels", step)
            target = torch.randint(task.signature.outputs, target.shape, generator=random)
        batch = self.problem.compute.place(replace(batch, inputs=(first, *others), target=target))
        if task.signature.classes:
            batch = replace(batch, inputs=(shrink(batch.inputs[0], self.settings.image_size), *others))
        return batch
