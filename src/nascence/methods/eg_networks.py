"""The second stage of Enhanced-Gradient NAS: an evolution of networks from a pool of blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, ClassVar, Literal, final

import torch
from torch import nn

from nascence.costs.budget import BudgetChecker
from nascence.declaring import Settings, part, setting
from nascence.engine.threads import compute_threads
from nascence.methods.base import Problem
from nascence.methods.candidate_errors import by_training
from nascence.methods.evolving import evolve, look_again
from nascence.methods.parts import Generations, Reevaluation, ShortTraining
from nascence.methods.valuing import Valuation, by_cost
from nascence.operations.depthwise import quick_depthwise
from nascence.seeding import generator
from nascence.spaces import Size
from nascence.spaces.eg import BLOCKS, EG, BlockStack
from nascence.spaces.pooled import BlockPool, PooledNetworks, pool_of
from nascence.strategies.reevaluation import Reevaluated
from nascence.tasks.base import Batch


@dataclass(frozen=True, kw_only=True)
class NetworkStage(Settings):
    """Networks of blocks: how they are made and valued."""

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "evolution.generations": 20,
        "value.epochs": 25,
        "value.images": None,
        "value.holdout": 0.1,
        "reevaluation.groups": 10,
        "reevaluation.epochs": 100,
    }

    stacking: Literal["nsga2", "random"] = setting("nsga2", "Or for an ablation as many random networks.")
    evolution: Generations = part(Generations)
    reevaluation: Reevaluation = part(Reevaluation)
    value: ShortTraining = part(
        ShortTraining, epochs="value_epochs", images="value_images", channels="value_channels", depth="value_depth"
    )
    batch_size: int = setting(
        128, "Of the short training that every network is valued by.", at_least=2, alias="value_batch_size"
    )
    learning_rate: float = setting(0.025, "Of that training.", at_least=1e-9, alias="value_learning_rate")
    limit: float = setting(1e6, "The largest number of parameters where no --max-params says another.", at_least=1)

    @property
    def evaluations(self) -> int:
        """How many networks are valued by the shorter training, at most."""
        return self.evolution.population * (self.evolution.generations + 1)

    @property
    def generations(self) -> Generations:
        """Random stacking is an evolution that ends with its first, random generation."""
        if self.stacking == "nsga2":
            return self.evolution
        return replace(self.evolution, population=self.evaluations, generations=0)

    @property
    def again(self) -> int:
        """Networks that are valued by the longer training."""
        return self.reevaluation.count(self.evolution.population)

    @property
    def longer(self) -> int:
        """Epochs of that training."""
        return self.reevaluation.passes(self.value.passes)


_AGAIN_AT_ONCE = 8
"""Networks that are valued again in one step: 2, 4 or 8 processes share them evenly, and they are alike in size."""


@final
class NetworkEvolution:
    """The second stage: what is valued how, and over which networks."""

    def __init__(self, settings: NetworkStage, problem: Problem, space: EG) -> None:
        self.settings, self.problem, self.space = settings, problem, space
        population = settings.generations.population
        self.at_once = min(3 * torch.get_num_threads(), population)  # long and short ones, so that few wait
        self.steps = (settings.generations.generations + 1) * math.ceil(population / self.at_once)
        self.steps += math.ceil(settings.again / _AGAIN_AT_ONCE)
        self.valuations = settings.evaluations + settings.again * settings.longer / settings.value.passes

    def evolve(self, pool: BlockPool) -> tuple[PooledNetworks, Reevaluated]:
        settings = self.settings
        networks = PooledNetworks(self.space, pool)
        budget = self._budget(networks)
        params, size = by_cost("params", budget.model), partial(budget.model.cost, "params")
        shorter, longer = (
            [self._error(networks, epochs), params] for epochs in (settings.value.passes, settings.longer)
        )
        evolution = evolve(
            networks, shorter, budget, settings.generations, at_once=self.at_once, seed=self.problem.seed
        )
        return networks, look_again(evolution, longer, size=size, count=settings.again, at_once=_AGAIN_AT_ONCE)

    def _error(self, networks: PooledNetworks, epochs: int) -> Valuation:
        settings, problem = self.settings, self.problem
        return by_training(
            networks,
            problem.images,
            self._small,
            epochs=epochs,
            images=settings.value.images,
            holdout=settings.value.holdout,
            seed=problem.seed,
            compute=problem.compute,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            warmup_epochs=0,
            weight_decay=3e-4,
        )

    def _budget(self, networks: PooledNetworks) -> BudgetChecker:
        """The user's budget; without a limit of parameters, the method's. Of the full images: the network that is
        trained in the end is not the one that is valued."""
        given, full = self.problem.budget.budget, self.problem.budget.model.networks
        limited = given if given.max_params is not None else replace(given, max_params=self.settings.limit)
        return limited.bind(
            networks,
            self.problem.network,
            signature=full.signature,
            threads=full.threads,
        )

    @property
    def _small(self) -> Size:
        """The size that networks are valued in."""
        return self.settings.value.sized(self.space, self.problem.network)

    def seconds(self, pool: BlockPool) -> float:
        """How long the value of one network takes on one thread: measured on one batch each of three networks."""
        settings, task = self.settings, self.problem.images
        networks = PooledNetworks(self.space, pool)
        value = settings.value
        images = min(value.images or len(task.train), len(task.train))
        batches = (1 - value.holdout) * images / settings.batch_size * value.passes
        draws = generator(self.problem.seed, "seconds")
        x_BCHW, target_B = task.batch(min(settings.batch_size, len(task.train)), draws, augment=True)
        compute = self.problem.compute
        batch = compute.place(Batch((x_BCHW,), target_B))

        def learn(model: nn.Module) -> None:
            with compute.autocast():
                output = model(*batch.inputs)
            task.loss(output, batch).backward()

        times = []
        with compute_threads(1):
            for _ in range(3):
                found = networks.sample(draws)
                model = compute.place(networks.build(found, network=self._small, signature=task.signature))
                with quick_depthwise(model):
                    for _ in range(2):  # the first one warms up
                        seconds = compute.time(lambda model=model: learn(model))  # type: ignore[misc]
                times.append(seconds)
        held_out = value.holdout * images / settings.batch_size * value.passes / 3
        return median(times) * (batches + held_out)


def random_pool(stack: BlockStack, normals: int, reductions: int, seed: int) -> BlockPool:
    """Blocks drawn uniformly among those without ``none``."""
    draws = generator(seed, "pool")
    found = [_split(stack, stack.sample(draws).answers) for _ in range(max(normals, reductions))]
    return pool_of([each[0] for each in found[:normals]], [each[1] for each in found[:reductions]])


def pool_from(stack: BlockStack, text: str) -> BlockPool:
    """Of the blocks that ``text`` describes."""
    normal, reduction = _split(stack, stack.parse(text).answers)
    return pool_of([normal], [reduction])


def _split(stack: BlockStack, answers: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    half = len(answers) // len(BLOCKS)
    return answers[:half], answers[half:]


__all__ = ["NetworkEvolution", "NetworkStage", "pool_from", "random_pool"]
