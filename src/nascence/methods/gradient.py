"""What all methods of gradient descent on a supernet share: settings, and the recipe that puts the parts together."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, final

import torch

from nascence.errors import SettingError, UnknownNameError
from nascence.methods.base import Method, Problem, at_least
from nascence.methods.predicting import MEASURED, latency_predictor
from nascence.objectives import BetaDecay, DirichletAnchor, ExpectedCost, Objective, PredictedLatency, TaskLoss
from nascence.objectives.expected_cost import Cost, Form
from nascence.relaxations import Dirichlet, EdgeNormalised, Relaxation
from nascence.relaxations.base import participants
from nascence.schedules import Constant, Linear
from nascence.seeding import derive_seed
from nascence.spaces.cells import cell_space
from nascence.spaces.relaxable import RelaxableSpace, relaxable
from nascence.strategies import Strategy
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.combination import Combination, Sum
from nascence.strategies.descent.players import Player
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage, parse_stages
from nascence.supernets.base import Supernet
from nascence.supernets.cells.sharing import Sharing

LAPTOP: dict[str, Any] = {
    "size": "search-small",
    "epochs": 40,
    "warmup_epochs": 25,
    "epoch_images": 5000,
    "architecture_learning_rate": 3e-3,
    "image_size": 16,
}
"""What an ordinary computer finishes in minutes: a smaller network, smaller images and few steps, but all the images
(passes over fewer of them teach the weights those by heart, and what has no weights then looks better than it is);
weights are trained alone first, as long as it takes until convolutions have something to give, and then the
architecture takes larger steps, since there are fewer of them."""

LAPTOP_5000: dict[str, Any] = {
    **LAPTOP,
    "epochs": 34,
    "warmup_epochs": 24,
    "epoch_images": None,
    "train_images": 5000,
    "valid_images": 5000,
}
"""Passes over the same few images: what ``laptop`` was at first, for methods that found good cells with it."""

LAPTOP_DARTS: dict[str, Any] = {**LAPTOP, "epochs": 20, "warmup_epochs": 13}
"""The same for the space ``darts``, whose steps take five times as long."""

GRAPHS: dict[str, Any] = {
    "size": "search-small",
    "epochs": 60,
    "warmup_epochs": 30,
    "weights_optimizer": "adam",
    "learning_rate": 0.01,
    "weight_decay": 5e-4,
    "architecture_learning_rate": 0.05,
    "architecture_data": "validation",
}
"""The same for graph networks, where an epoch is a single step on the whole graph."""


@dataclass(frozen=True, kw_only=True)
class GradientMethod(Descent, Method):
    """Settings of every method of this family; a method's own are its switches and the defaults of its paper.

    ``epochs``: of the search. ``batch_size``: images of a step. ``learning_rate``, ``final_learning_rate``: of the
    network's weights, along a cosine, epoch by epoch. ``momentum``: of their SGD. ``nesterov``: whether it looks ahead.
    ``weights_optimizer``: sgd, or adam, which does without ``momentum`` and ``nesterov``.
    ``weight_decay``: of the weights. ``clip_norm``: largest norm of the weights' gradient, 0 for no limit.
    ``architecture_learning_rate``: of Adam on the architecture's parameters. ``architecture_betas``: its decay rates.
    ``architecture_weight_decay``: coupled, as Adam has it. ``order``: 2 sees the validation loss through one step of
    the weights. ``first``: whose step comes first in each pair. ``warmup_epochs``: at the beginning of each stage, the
    weights alone are trained. ``stages``: EPOCHS:OPERATIONS:K each, such as 25:7:6,25:4:4, ``epochs`` in all: so many
    operations of every edge are kept, and 1/K of the channels go through them. ``partial_channels``: K without stages;
    1 sends all channels through the operations. ``edge_normalisation``: a weight per edge, softmax over those into a
    node. ``beta_decay``: weight of the mean log-sum-exp of the logits, from 0 up to this over the epochs in which the
    architecture takes steps. ``kl_anchor``: weight of the Dirichlet distributions' distance to the uniform one.
    ``latency_weight``: of the predicted latency beside the architecture's loss, in units of that of random
    architectures. ``latency_target``: in ms; then latency has a price only while what would be found is slower, in
    units of the target.
    ``latencies``: measured networks to learn the prediction from, a file that ``nascence measure --networks`` wrote, a
    table of one's own, or the name of a benchmark's; without any, latencies of parts are added up.
    ``latency_column``: of that table, in ms. ``latency_codes``: what the prediction is of: sampled architectures, the
    mixing weights (soft), or those with a prediction that has learned mixtures (calibrated). ``latency_draws``: how
    many architectures are sampled in a step. ``cost_weight``: of the logarithm of the expected cost beside the
    architecture's loss, for any space. ``cost``: flops, params, or latency_ms (predicted). ``cost_target``: to divide
    it by, none for the budget's limit of that cost, or without one the mean over all networks. ``cost_form``: log,
    always downwards, or distance, to the target from both sides.
    ``all_operations``: also those that no architecture of the space can have (none on darts) take part in the supernet.
    ``module_sharing``: what the operations of an edge have in common runs once (TopoNAS): partial for operations that
    differ in kernel sizes, floating for blocks that serve longer and shorter ones. ``exclude``: operations that take no
    part, separated by commas. ``size``: of the supernet, by its name in the space. ``channels``, ``depth``: other ones
    than that size has. ``train_images``, ``valid_images``: of the halves for weights and architecture, none for all.
    ``epoch_images``: an epoch ends after so many of each half, and the next one goes on with the others; none for whole
    passes. ``image_size``: larger images are averaged down to it. ``check_images``: validation images on which supernet
    and derived architecture are compared after each epoch, 0 for none. ``channels_last``: memory layout of images and
    features. ``bf16``: networks compute in bfloat16 where that is safe. ``compile``: by torch.compile, which takes
    minutes before the first step. ``device``: cpu, or cuda.
    """

    epochs: int = 50
    warmup_epochs: int = 0
    stages: tuple[str, ...] = ()
    partial_channels: int = 1
    module_sharing: Sharing = "none"
    edge_normalisation: bool = False
    beta_decay: float = 0.0
    kl_anchor: float = 0.0
    latency_weight: float = 0.0
    latency_target: float | None = None
    latencies: str = ""
    latency_column: str = MEASURED
    latency_codes: Literal["sampled", "soft", "calibrated"] = "sampled"
    latency_draws: int = 4
    cost_weight: float = 0.0
    cost: Cost = "flops"
    cost_target: float | None = None
    cost_form: Form = "log"
    all_operations: bool = True
    exclude: str = ""
    size: Literal["search", "search-small"] = "search"
    channels: int | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, partial_channels=self.partial_channels, channels=self.channels)
        at_least(1, depth=self.depth, image_size=self.image_size)
        at_least(2, batch_size=self.batch_size, train_images=self.train_images, valid_images=self.valid_images)
        at_least(1, epoch_images=self.epoch_images)
        at_least(0, learning_rate=self.learning_rate, final_learning_rate=self.final_learning_rate)
        at_least(0, momentum=self.momentum, weight_decay=self.weight_decay, clip_norm=self.clip_norm)
        at_least(0, architecture_learning_rate=self.architecture_learning_rate, warmup_epochs=self.warmup_epochs)
        at_least(0, architecture_weight_decay=self.architecture_weight_decay, beta_decay=self.beta_decay)
        at_least(0, kl_anchor=self.kl_anchor, check_images=self.check_images, latency_weight=self.latency_weight)
        at_least(1, latency_draws=self.latency_draws)
        at_least(1e-6, latency_target=self.latency_target, cost_target=self.cost_target)
        at_least(0, cost_weight=self.cost_weight)
        if Path(self.latencies).is_file():  # so that it means the same from any folder
            object.__setattr__(self, "latencies", os.path.realpath(self.latencies))
        self._refuse_idle_latency_settings()
        stages = self.make_stages()
        if self.weights_optimizer == "adam" and (self.order == 2 or len({stage.partial for stage in stages}) > 1):
            raise SettingError(
                "weights_optimizer=adam goes with order=1 and the same share of channels in all stages; use sgd."
            )

    def _refuse_idle_latency_settings(self) -> None:
        sampled = self.latency_codes == "sampled"
        weighed = ("latency_weight", self.latency_weight > 0)
        learned = ("latencies", bool(self.latencies))
        drawn = ("latency_codes=sampled", sampled) if self.latencies else learned
        for name, given, (needed, there) in (
            ("latencies", self.latencies, weighed),
            ("latency_target", self.latency_target, weighed),
            ("latency_column", self.latency_column != MEASURED, learned),
            ("latency_codes", not sampled, learned),
            ("latency_draws", self.latency_draws != 4, drawn),
            ("cost_target", self.cost_target, ("cost_weight", self.cost_weight > 0)),
        ):
            if given and not there:
                raise SettingError(f"{name} is of no use without {needed}.")

    @abstractmethod
    def relaxation(self, space: RelaxableSpace, options: Mapping[str, tuple[str, ...]], seed: int) -> Relaxation:
        """The relaxation over the ``options`` that take part, per choice group, as it is at the beginning."""

    def objectives(self) -> tuple[Objective, ...]:
        """Of the architecture step."""
        terms: list[Objective] = [TaskLoss()]
        if self.beta_decay:
            terms.append(BetaDecay(Linear(0.0, self.beta_decay, over="moves")))
        if self.kl_anchor:
            terms.append(DirichletAnchor(Constant(self.kl_anchor)))
        return tuple(terms)

    def weight_objectives(self) -> tuple[Objective, ...]:
        """Of the weight step."""
        return (TaskLoss(),)

    def make_stages(self) -> tuple[Stage, ...]:
        """Raises :class:`SettingError` where the settings make no stages."""
        if self.stages:
            stages = parse_stages(self.stages, self.warmup_epochs)
            total = sum(stage.epochs for stage in stages)
            if total != self.epochs:
                raise SettingError(
                    f"The stages take {total} epochs in all, but epochs is {self.epochs}; make them equal."
                )
            if self.partial_channels != 1:
                raise SettingError("Each stage says its own K; leave partial_channels at 1.")
            return stages
        return (Stage(epochs=self.epochs, warmup=self.warmup_epochs, partial=self.partial_channels),)

    def supernet(self, problem: Problem, space: RelaxableSpace, partial: int, seed: int) -> Supernet:
        """The network to be trained, with 1/``partial`` of its channels through the operations."""
        options: dict[str, Any] = {
            **({} if partial == 1 else {"partial": partial}),
            **({} if self.module_sharing == "none" else {"sharing": self.module_sharing}),
        }
        for name in options:
            if name not in space.supernet_options:
                setting = {"partial": "partial_channels", "sharing": "module_sharing"}[name]
                raise SettingError(f"{setting} is about cells, and {space.name} has none; leave it out.")
        return space.supernet(self._network(space), problem.task.signature, seed=seed, **options)

    def _network(self, space: RelaxableSpace) -> Any:
        """The size of the supernet."""
        size = space.networks[self.size]
        given = {name: value for name in ("channels", "depth") if (value := getattr(self, name)) is not None}
        for name in given:
            if name not in {field.name for field in fields(size)}:
                raise SettingError(f"Networks of {space.name} have no {name}; leave it out.")
        return replace(size, **given)

    def prices(self, problem: Problem, space: RelaxableSpace) -> tuple[Objective, ...]:
        """Of the architecture step, what the network's cost adds: ``cost_weight``."""
        if not self.cost_weight:
            return ()
        target = self.cost_target or problem.budget.budget.limits.get(self.cost)
        weight, model = Constant(self.cost_weight), problem.budget.model
        return (ExpectedCost(model, space, self.cost, weight, target=target, form=self.cost_form),)

    def players(self, problem: Problem, space: RelaxableSpace) -> tuple[Player, ...]:
        """Who takes part beside weights and architecture."""
        return ()

    def combination(self) -> Combination:
        """How the objectives of the architecture become one."""
        return Sum()

    def arranged(self, problem: Problem, search: Callable[[Problem], Strategy]) -> Strategy:
        """What is done with a single descent, ``search``: here that and nothing else."""
        return search(problem)

    @final
    def strategy(self, problem: Problem) -> Strategy:
        return self.arranged(problem, lambda one: self.completed(self._descent(one), one))

    def completed(self, descent: BilevelDescent, problem: Problem) -> Strategy:
        """The whole search, where something follows the descent."""
        return descent

    def _descent(self, problem: Problem) -> BilevelDescent:
        space = relaxable(problem.space, self.name)
        if self.size not in space.networks:
            raise UnknownNameError(f"network size of {space.name}", self.size, space.networks)
        relaxation = self.relaxation(space, self._options(space), derive_seed(problem.seed, "architecture"))
        if self.kl_anchor and not isinstance(relaxation, Dirichlet):
            raise SettingError("kl_anchor is about Dirichlet distributions; use it with --method drnas.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SettingError("There is no GPU that PyTorch can use; leave device at cpu.")
        compiler = os.environ.get("CXX", "g++")
        if self.compile and shutil.which(compiler) is None:
            raise SettingError(
                f"torch.compile needs a C++ compiler, and there is no {compiler}; leave compile at false."
            )
        if self.edge_normalisation:
            relaxation = EdgeNormalised(relaxation, seed=derive_seed(problem.seed, "architecture"))
        return BilevelDescent(
            space,
            problem.task,
            relaxation,
            lambda partial, seed: self.supernet(problem, space, partial, seed),
            stages=self.make_stages(),
            descent=Descent(**{name: getattr(self, name) for name in Descent.__dataclass_fields__}),
            objectives=(*self.objectives(), *self._latency(problem), *self.prices(problem, space)),
            weight_objectives=self.weight_objectives(),
            combination=self.combination(),
            players=self.players(problem, space),
            budget=problem.budget,
            seed=problem.seed,
        )

    def _latency(self, problem: Problem) -> tuple[Objective, ...]:
        if not self.latency_weight:
            return ()
        space = cell_space(problem.space, "A latency in the loss")
        mixtures = self.latency_codes == "calibrated"
        predictor = latency_predictor(problem, space, self.latencies, self.latency_column, mixtures=mixtures)
        adds_up = not self.latencies  # then mixing weights give the mean exactly
        term = PredictedLatency(
            predictor,
            Constant(self.latency_weight),
            problem.budget,
            codes="sampled" if self.latency_codes == "sampled" and not adds_up else "soft",
            draws=self.latency_draws,
            target_ms=self.latency_target,
            seed=problem.seed,
        )
        return (term,)

    def _options(self, space: RelaxableSpace) -> dict[str, tuple[str, ...]]:
        """Per choice group the options that take part."""
        excluded = [name.strip() for name in self.exclude.split(",") if name.strip()]
        known = list(dict.fromkeys(option for group in space.groups for option in group.options))
        for name in excluded:
            if name not in known:
                raise SettingError(f"exclude names '{name}'; the operations of {space.name}: {', '.join(known)}.")
        options, possible = participants(space, self.all_operations, excluded), participants(space)
        if not all(set(options[name]) & set(possible[name]) for name in options):
            raise SettingError(f"exclude leaves no operation of {space.name}; keep one or more.")
        counts = {len(taking) for taking in options.values()}
        for stage in self.make_stages()[:1]:
            if stage.keep is not None and counts != {stage.keep}:
                most = max(counts)
                raise SettingError(
                    f"The first stage keeps {stage.keep} operations per edge, but nothing is known of them yet and "
                    f"{most} take part on {space.name}; expected {stage.epochs}:{most}:{stage.partial} as the first "
                    "of --set stages=..."
                )
        return options


__all__ = ["GRAPHS", "LAPTOP", "LAPTOP_5000", "LAPTOP_DARTS", "GradientMethod"]
