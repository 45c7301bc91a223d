"""NASI: one step of ascent on the kernel trace at initialisation, agnostic of labels and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.methods.base import Method, Problem
from nascence.methods.parts import Excluding, Probing, Resized
from nascence.relaxations.decisions import decisions_without, excludable
from nascence.seeding import derive_seed, generator
from nascence.spaces.relaxable import RelaxableSpace, initialised_supernet, relaxable
from nascence.strategies import Strategy
from nascence.strategies.kernel_ascent import KernelAscent
from nascence.strategies.kernel_trace import SampledTrace
from nascence.supernets.base import Supernet
from nascence.tasks.altering import averaged_down, without_data, without_targets
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
        decisions = decisions_without(space, self.left_out(excludable(space)))
        trace = SampledTrace(
            problem.task,
            self._supernet(problem, space),
            decisions,
            lambda step: self._batch(problem, step),
            temperature=self.temperature,
            seed=problem.seed,
            compute=problem.compute,
        )
        return KernelAscent(
            decisions,
            trace,
            steps=self.steps,
            mu=self.mu,
            nu=self.nu,
            nu_start=self.nu_start,
            budget=problem.budget,
        )

    def _supernet(self, problem: Problem, space: RelaxableSpace) -> Supernet:
        size = self.sized(space, space.networks["proxy" if "proxy" in space.networks else "search-small"])
        seed = derive_seed(problem.seed, "nasi", "weights")
        return initialised_supernet(space, size, problem.task.signature, self.initialisation, seed=seed)

    def _batch(self, problem: Problem, step: int) -> Batch:
        seed, task = problem.seed, problem.task
        batch = task.drawn(self.images, generator(seed, "nasi", "images", step))
        if self.data == "noise":
            batch = without_data(batch, generator(seed, "nasi", "noise", step))
        if self.labels == "random":
            batch = without_targets(batch, task.signature, generator(seed, "nasi", "labels", step))
        return averaged_down(problem.compute.place(batch), task.signature, self.image_size)


__all__ = ["NASI"]
