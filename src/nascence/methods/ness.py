"""NESS: an ensemble of different architectures, drawn from a posterior over the paths of one supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.methods.base import Problem
from nascence.methods.gradient import GradientMethod
from nascence.methods.presets import LAPTOP
from nascence.objectives import NegativeEntropy, Objective, TaskLoss
from nascence.relaxations import Relaxation, VariationalPosterior
from nascence.schedules import ByStage
from nascence.spaces.relaxable import RelaxableSpace
from nascence.strategies import Strategy
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.stages import Stage
from nascence.strategies.ensembles import SVGDRD, EnsembleSearch, MonteCarlo, Sampler

_SMALL = {name: LAPTOP[name] for name in ("size", "epoch_images", "image_size")}


@final
@dataclass(frozen=True, kw_only=True)
class NESS(GradientMethod):
    """NESS, published as NESBS (Shu, Chen, Dai & Low, UAI 2022, arXiv 2109.02533)."""

    name: ClassVar[str] = "ness"
    title: ClassVar[str] = "NESS: an ensemble of architectures, sampled from a posterior over one supernet"
    paper: ClassVar[str] = "arXiv 2109.02533"
    caveat: ClassVar[str] = (
        "ness is in parts a reconstruction: the paper's supernet settings, the scale of its likelihood, the width of "
        "its normals and how it chooses the diversity could not be read."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {**_SMALL, "epochs": 40, "posterior_epochs": 2, "valid_images": 5000},
        "laptop-darts": {**_SMALL, "epochs": 20, "posterior_epochs": 1, "valid_images": 5000},
    }

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "architecture.learning_rate": 1e-2,
        "architecture.betas": (0.9, 0.999),
        "architecture.weight_decay": 3e-4,
        "network.all_operations": False,
    }
    DECIDES: ClassVar[Mapping[str, str]] = {
        "stages": "makes its stages itself",
        "warmup_epochs": "trains weights on uniform paths and not beside the architecture",
        "edge_normalisation": "has a distribution over the options of each edge and none over edges",
        "architecture.order": "moves the architecture when the weights are done",
        "price.fill": "ends in an ensemble",
    }

    members: int = setting(3, "Networks of the ensemble.", at_least=1)
    draws: int = setting(10, "Ensembles that are drawn, of which the best on validation data is kept.", at_least=1)
    sampler: Literal["svgd-rd", "mc"] = setting(
        "svgd-rd",
        "mc draws ensembles independently, svgd-rd by Stein variational gradient descent with regularised diversity.",
    )
    diversity: float = setting(0.5, "Its delta; above 0 more, below 0 less diverse.")
    sigma: float = setting(0.5, "Deviation of the normals around architectures.", at_least=1e-6)
    svgd_steps: int = setting(1000, "Of svgd-rd.", at_least=1)
    posterior_epochs: int = setting(20, "After epochs of uniform paths.", at_least=1)
    likelihoods: tuple[float, ...] = setting(
        (1.0, 10.0, 100.0, 1000.0),
        "How many data the mean validation loss stands for; of several, each from the same weights, that with the most "
        "middling entropy is taken.",
        above=0,
    )

    def __post_init__(self) -> None:
        if not self.likelihoods:
            raise SettingError("likelihoods needs at least one number.")
        super().__post_init__()

    def make_stages(self) -> tuple[Stage, ...]:
        posterior = Stage(epochs=self.posterior_epochs, level="architecture", partial=self.network.partial_channels)
        paths = Stage(epochs=self.epochs, warmup=self.epochs, partial=self.network.partial_channels)
        return (paths, *[posterior] * len(self.likelihoods))

    def relaxation(self, space: RelaxableSpace, options: Mapping[str, tuple[str, ...]], seed: int) -> Relaxation:
        return VariationalPosterior(space, options)

    def objectives(self) -> tuple[Objective, ...]:
        return (TaskLoss(ByStage((self.likelihoods[0], *self.likelihoods))), NegativeEntropy())

    def completed(self, descent: BilevelDescent, problem: Problem) -> Strategy:
        relaxation = descent.relaxation
        assert isinstance(relaxation, VariationalPosterior)
        sampler: Sampler = MonteCarlo() if self.sampler == "mc" else SVGDRD(self.diversity, self.sigma, self.svgd_steps)
        return EnsembleSearch(
            descent, relaxation.posteriors, sampler, size=self.members, draws=self.draws, seed=problem.seed
        )


__all__ = ["NESS"]
