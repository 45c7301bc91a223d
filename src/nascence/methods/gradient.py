"""What all methods of gradient descent on a supernet share: settings, and the recipe that puts the parts together."""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from nascence.declaring import part, setting
from nascence.engine.compute import Compute
from nascence.errors import SettingError, UnknownNameError
from nascence.methods.base import Method, Problem
from nascence.methods.parts import CostTerm, Epochs, LatencyTerm, SearchNetwork
from nascence.methods.predicting import latency_predictor
from nascence.objectives import BetaDecay, DirichletAnchor, ExpectedCost, Objective, PredictedLatency, TaskLoss
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
from nascence.strategies.filling import FilledStrategy
from nascence.supernets.base import Supernet


@dataclass(frozen=True, kw_only=True)
class GradientMethod(Descent, Epochs, Method):
    """Settings of every method of this family; a method's own are its switches and the defaults of its paper."""

    on_device: ClassVar[bool] = True
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16")

    stages: tuple[str, ...] = setting(
        (),
        "EPOCHS:OPERATIONS:K each, such as 25:7:6,25:4:4, epochs in all: so many operations of every edge are kept, "
        "and 1/K of the channels go through them.",
    )
    network: SearchNetwork = part(SearchNetwork)
    edge_normalisation: bool = setting(False, "A weight per edge, softmax over those into a node.")
    beta_decay: float = setting(
        0.0,
        "Weight of the mean log-sum-exp of the logits, from 0 up to this over the epochs in which the architecture "
        "takes steps.",
        at_least=0,
    )
    kl_anchor: float = setting(
        0.0, "Weight of the Dirichlet distributions' distance to the uniform one (drnas).", at_least=0
    )
    latency: LatencyTerm = part(LatencyTerm)
    price: CostTerm = part(CostTerm)

    def __post_init__(self) -> None:
        super().__post_init__()
        partials = {stage.partial for stage in self.make_stages()}
        if self.weights.optimizer == "adam" and (self.architecture.order == 2 or len(partials) > 1):
            raise SettingError(
                "weights_optimizer=adam goes with order=1 and the same share of channels in all stages; use sgd."
            )

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
            if self.network.partial_channels != 1:
                raise SettingError("Each stage says its own K; leave partial_channels at 1.")
            return stages
        return (Stage(epochs=self.epochs, warmup=self.warmup_epochs, partial=self.network.partial_channels),)

    def supernet(self, problem: Problem, space: RelaxableSpace, partial: int, seed: int) -> Supernet:
        """The network to be trained, with 1/``partial`` of its channels through the operations."""
        options: dict[str, Any] = {
            **({} if partial == 1 else {"partial": partial}),
            **({} if self.network.module_sharing == "none" else {"sharing": self.network.module_sharing}),
        }
        for name in options:
            if name not in space.supernet_options:
                setting = {"partial": "partial_channels", "sharing": "module_sharing"}[name]
                raise SettingError(f"{setting} is about cells, and {space.name} has none; leave it out.")
        return space.supernet(self._network(space), problem.task.signature, seed=seed, **options)

    def _network(self, space: RelaxableSpace) -> Any:
        """The size of the supernet."""
        return self.network.sized(space, space.networks[self.network.size])

    def prices(self, problem: Problem, space: RelaxableSpace) -> tuple[Objective, ...]:
        """Of the architecture step, what the network's cost adds: ``cost_weight``."""
        if not self.price.weight:
            return ()
        target = self.price.target or problem.budget.budget.limits.get(self.price.of)
        weight, model = Constant(self.price.weight), problem.budget.model
        return (ExpectedCost(model, space, self.price.of, weight, target=target, form=self.price.form),)

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
        """The whole search, where something follows the descent: ``fill``."""
        if not self.price.fill:
            return descent
        space, relaxation = descent.space, descent.relaxation
        return FilledStrategy(descent, problem.budget, lambda: space.choice_scores(relaxation.scores()))

    def _descent(self, problem: Problem) -> BilevelDescent:
        space = relaxable(problem.space, self.name)
        if self.network.size not in space.networks:
            raise UnknownNameError(f"network size of {space.name}", self.network.size, space.networks)
        relaxation = self.relaxation(space, self._options(space), derive_seed(problem.seed, "architecture"))
        if self.kl_anchor and not isinstance(relaxation, Dirichlet):
            raise SettingError("kl_anchor is about Dirichlet distributions; use it with --method drnas.")
        compute = problem.compute if self.compute.device == "cpu" else Compute.choose(self.compute.device)
        compiler = os.environ.get("CXX", "g++")
        if self.compute.compile and shutil.which(compiler) is None:
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
            descent=Descent(weights=self.weights, architecture=self.architecture, data=self.data, compute=self.compute),
            objectives=(*self.objectives(), *self._latency(problem), *self.prices(problem, space)),
            weight_objectives=self.weight_objectives(),
            combination=self.combination(),
            players=self.players(problem, space),
            budget=problem.budget,
            seed=problem.seed,
            compute=compute,
        )

    def _latency(self, problem: Problem) -> tuple[Objective, ...]:
        if not self.latency.weight:
            return ()
        space = cell_space(problem.space, "A latency in the loss")
        mixtures = self.latency.codes == "calibrated"
        predictor = latency_predictor(problem, space, self.latency.networks, self.latency.column, mixtures=mixtures)
        adds_up = not self.latency.networks  # then mixing weights give the mean exactly
        term = PredictedLatency(
            predictor,
            Constant(self.latency.weight),
            problem.budget,
            codes="sampled" if self.latency.codes == "sampled" and not adds_up else "soft",
            draws=self.latency.draws,
            target_ms=self.latency.target,
            seed=problem.seed,
        )
        return (term,)

    def _options(self, space: RelaxableSpace) -> dict[str, tuple[str, ...]]:
        """Per choice group the options that take part."""
        known = dict.fromkeys(option for group in space.groups for option in group.options)
        excluded = self.network.left_out(list(known))
        options, possible = participants(space, self.network.all_operations, excluded), participants(space)
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


__all__ = ["GradientMethod"]
