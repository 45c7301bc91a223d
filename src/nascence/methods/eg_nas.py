"""Enhanced-Gradient NAS: a gradient search of blocks, then an evolution of networks built from them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, ClassVar, Literal, final

import torch

from nascence.costs import Budget
from nascence.costs.budget import BudgetChecker
from nascence.engine.threads import compute_threads
from nascence.errors import SettingError
from nascence.methods.base import Method, Problem, at_least
from nascence.methods.valuing import Valuation, by_cost, by_training, together
from nascence.objectives import Complexity, Objective, TaskLoss
from nascence.operations.depthwise import quick_depthwise
from nascence.relaxations import Softmax
from nascence.schedules import Constant
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig
from nascence.spaces.eg import BLOCKS, EG, BlockStack, blocks_and_networks
from nascence.spaces.pooled import BlockPool, PooledNetworks, pool_of
from nascence.strategies import Strategy
from nascence.strategies.blocks_then_networks import BlockSearches, BlocksThenNetworks
from nascence.strategies.descent.architecture_gradient import CalibratedStep
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.reevaluation import Reevaluated
from nascence.supernets.cells import CellSupernet
from nascence.tasks.base import Batch

_DARTS_V2 = (
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|"
    "+|skip_connect~0|dil_conv_3x3~2|;"
    "reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|+|max_pool_3x3~0|skip_connect~2|"
    "+|max_pool_3x3~1|skip_connect~2|"
)


@final
@dataclass(frozen=True, kw_only=True)
class EGNAS(Method):
    """Settings of Enhanced-Gradient NAS (Zhang, Hao, Gao, Tang & Wei, IEEE TNNLS 2023, arXiv 2103.12529), of which we
    know the abstract only: all of it is a reconstruction.

    First stage, one search of blocks for each of ``complexities``: ``gradient``: ``enhanced`` (the natural gradient) or
    ``plain``. ``complexities``: weights of the expected parameters of the blocks, as a part of the costliest blocks',
    beside the cross-entropy. ``epsilon``: added to p before the gradient is divided by it, in the first third of the
    search and after. ``typical_step``: the median step of an architecture parameter, which fixes their learning rate.
    ``order``: 2 sees the validation loss through one step of the weights. ``epochs``, ``warmup_epochs``: of each
    search, and without steps of the architecture. ``batch_size``: images of a step. ``learning_rate``,
    ``final_learning_rate``: of the weights, along a cosine. ``channels``, ``depth``: of the network that blocks are
    searched in, none for 16 and 8. ``train_images``, ``valid_images``: of the halves for weights and architecture, none
    for all. ``image_size``: larger images are averaged down to it in both stages. ``check_images``: validation images
    that derived blocks are compared on. ``sparse``: a node may do without its weaker edge where none outweighs it.
    ``reductions``: how many reduction blocks are kept; of the normal ones all that learn and differ. ``blocks``:
    ``searched``, or for an ablation as many ``random`` ones, or those of ``darts`` (its second version).

    Second stage: ``stacking``: ``nsga2``, or for an ablation as many ``random`` networks. ``population``,
    ``generations``: population x (generations + 1) networks are made. ``reevaluated``, ``reevaluation_epochs``: the
    best of so many groups of networks of like size are trained anew for so many epochs, and the front is of these; with
    0 groups it is of all networks.
    ``crossover``: the chance that a network has two parents. ``value_epochs``, ``value_batch_size``,
    ``value_learning_rate``: of the short training that every network is valued by. ``value_images``: at most so many
    training images take part in it. ``holdout``: the part of them that the error is measured on. ``value_channels``: a
    smaller width for it, 16 is full. ``limit``: the largest number of parameters where no --max-params says another.
    """

    name: ClassVar[str] = "eg-nas"
    title: ClassVar[str] = (
        "EG-NAS: blocks by an enhanced gradient, networks of them by evolution (a reconstruction from the abstract)"
    )
    paper: ClassVar[str] = "arXiv 2103.12529"
    caveat: ClassVar[str] = (
        "eg-nas is a reconstruction: the paper's text and code could not be obtained. Its enhanced gradient is taken "
        "to be the natural gradient; block space, network space, evolution and schedules are ours. Do not report its "
        "results as the paper's method."
    )
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {},
        "laptop": {
            "complexities": (0.0, 0.3, 1.0, 5.0),  # in so few steps smaller ones make no difference
            "epochs": 5,
            "warmup_epochs": 1,
            "batch_size": 32,
            "channels": 4,
            "depth": 4,
            "train_images": 512,
            "valid_images": 512,
            "typical_step": 0.025,
            "image_size": 16,
            "check_images": 256,
            "population": 10,
            "generations": 9,
            "reevaluated": 24,
            "reevaluation_epochs": 4,
            "value_epochs": 1,  # of many images: for the same time better, and a sharper error, than 4 of few
            "value_batch_size": 64,
            "value_learning_rate": 0.1,
            "value_images": 18000,
            "value_channels": 8,
            "holdout": 0.2,
        },
    }

    gradient: Literal["enhanced", "plain"] = "enhanced"
    complexities: tuple[float, ...] = (0.0, 0.03, 0.1, 0.3)
    epsilon: tuple[float, float] = (0.05, 0.01)
    typical_step: float = 5e-3
    order: Literal[1, 2] = 1
    epochs: int = 50
    warmup_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    channels: int | None = None
    depth: int | None = None
    train_images: int | None = None
    valid_images: int | None = None
    image_size: int | None = None
    check_images: int = 512
    sparse: bool = True
    reductions: int = 2
    blocks: Literal["searched", "random", "darts"] = "searched"
    stacking: Literal["nsga2", "random"] = "nsga2"
    population: int = 20
    generations: int = 20
    crossover: float = 0.9
    reevaluated: int = 10
    reevaluation_epochs: int = 100
    value_epochs: int = 25
    value_batch_size: int = 128
    value_learning_rate: float = 0.025
    value_images: int | None = None
    value_channels: int | None = None
    holdout: float = 0.1
    limit: float = 1e6

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, channels=self.channels, depth=self.depth, image_size=self.image_size)
        at_least(2, batch_size=self.batch_size, train_images=self.train_images, valid_images=self.valid_images)
        at_least(0, warmup_epochs=self.warmup_epochs, generations=self.generations, learning_rate=self.learning_rate)
        at_least(0, final_learning_rate=self.final_learning_rate, check_images=self.check_images)
        at_least(1, reductions=self.reductions, value_epochs=self.value_epochs, limit=self.limit)
        at_least(0, reevaluated=self.reevaluated)
        at_least(1, reevaluation_epochs=self.reevaluation_epochs)
        at_least(2, population=self.population, value_batch_size=self.value_batch_size)
        at_least(2, value_images=self.value_images, value_channels=self.value_channels)
        at_least(1e-9, typical_step=self.typical_step, value_learning_rate=self.value_learning_rate)
        for name, values in (("complexities", self.complexities), ("epsilon", self.epsilon)):
            if not values or min(values) < 0:
                raise SettingError(f"The setting {name} needs numbers that are not negative, not {list(values)}.")
        if len(set(self.complexities)) < len(self.complexities):
            raise SettingError("The complexities must differ: a search of blocks that is done twice adds nothing.")
        if self.warmup_epochs >= self.epochs:
            raise SettingError("warmup_epochs must be fewer than epochs, else the architecture takes no step.")
        if not 0 < self.holdout < 1:
            raise SettingError(f"The setting holdout must be a part between 0 and 1, not {self.holdout}.")

    def strategy(self, problem: Problem) -> Strategy:
        space = blocks_and_networks(problem.space, self.name)
        problem = replace(problem, task=problem.images.shrunk(self.image_size))
        small = _Networks(self, problem, space)
        return BlocksThenNetworks(
            self._blocks(problem, space),
            small.evolve,
            evolution_steps=small.steps,
            valuations=self.evaluations + self.reevaluated * self.reevaluation_epochs / self.value_epochs,
            network_seconds=small.seconds,
        )

    @property
    def evaluations(self) -> int:
        """How many networks are valued by the shorter training, at most."""
        return self.population * (self.generations + 1)

    def _blocks(self, problem: Problem, space: EG) -> BlockSearches | BlockPool:
        stack = space.block_search()
        if self.blocks == "random":
            return random_pool(stack, len(self.complexities), self.reductions, problem.seed)
        if self.blocks == "darts":
            if space.shape.inputs != 2:
                raise SettingError(f"The blocks of DARTS have two inputs, those of {space.name} one; try --space eg.")
            light = "light_sep_conv_3x3" in stack.operations
            text = _DARTS_V2.replace("sep_conv", "light_sep_conv") if light else _DARTS_V2
            return _pool_from(stack, text)
        size = stack.networks["search"]
        size = replace(size, channels=self.channels or size.channels, depth=self.depth or size.depth)
        checker = Budget().bind(stack, size, signature=problem.task.signature)
        searches = tuple(self._search(problem, stack, size, checker, weight) for weight in self.complexities)
        return BlockSearches(stack, searches, self.complexities, self.sparse, self.reductions)

    def _search(
        self, problem: Problem, stack: BlockStack, size: NetworkConfig, checker: BudgetChecker, weight: float
    ) -> BilevelDescent:
        """One search of blocks. All have the same weights, batches and start, and differ in the complexity alone."""
        task = problem.images
        objectives: list[Objective] = [TaskLoss()]
        if weight:
            objectives.append(Complexity(checker.model.table("params"), Constant(weight)))

        def supernet(partial: int, seed: int) -> CellSupernet:
            return CellSupernet(stack, size, in_channels=task.in_channels, num_classes=task.num_classes, seed=seed)

        return BilevelDescent(
            stack,
            task,
            Softmax(stack, stack.operations, seed=derive_seed(problem.seed, "architecture")),
            supernet,
            stages=(Stage(epochs=self.epochs, warmup=self.warmup_epochs),),
            descent=Descent(
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                final_learning_rate=self.final_learning_rate,
                order=self.order,
                train_images=self.train_images,
                valid_images=self.valid_images,
                check_images=self.check_images,
            ),
            objectives=objectives,
            transform=CalibratedStep(self.gradient, typical=self.typical_step, epsilon=self.epsilon),
            budget=checker,
            seed=problem.seed,
        )


_AGAIN_AT_ONCE = 8
"""Networks that are valued again in one step: 2, 4 or 8 processes share them evenly, and they are alike in size."""


@final
class _Networks:
    """The second stage: what is valued how, and over which networks."""

    def __init__(self, settings: EGNAS, problem: Problem, space: EG) -> None:
        self.settings, self.problem, self.space = settings, problem, space
        self.at_once = min(3 * torch.get_num_threads(), self._population)  # long and short ones, so that few wait
        self.steps = (self._generations + 1) * math.ceil(self._population / self.at_once)
        self.steps += math.ceil(settings.reevaluated / _AGAIN_AT_ONCE)

    @property
    def _population(self) -> int:
        """Random stacking is an evolution that ends with its first, random generation."""
        settings = self.settings
        return settings.evaluations if settings.stacking == "random" else settings.population

    @property
    def _generations(self) -> int:
        return 0 if self.settings.stacking == "random" else self.settings.generations

    def evolve(self, pool: BlockPool) -> tuple[PooledNetworks, Reevaluated]:
        settings = self.settings
        networks = PooledNetworks(self.space, pool)
        budget = self._budget(networks)
        params, size = by_cost("params", budget.model), partial(budget.model.cost, "params")
        shorter, longer = (
            [self._error(networks, epochs), params] for epochs in (settings.value_epochs, settings.reevaluation_epochs)
        )
        evolution = NSGA2(
            networks,
            together(shorter),
            [valuation.objective for valuation in shorter],
            budget=budget,
            population=self._population,
            generations=self._generations,
            crossover=settings.crossover,
            at_once=self.at_once,
            seed=self.problem.seed,
        )
        objectives = [valuation.objective for valuation in longer]
        return networks, Reevaluated(
            evolution, together(longer), objectives, size=size, count=settings.reevaluated, at_once=_AGAIN_AT_ONCE
        )

    def _error(self, networks: PooledNetworks, epochs: int) -> Valuation:
        settings, problem = self.settings, self.problem
        return by_training(
            networks,
            problem.images,
            replace(problem.network, channels=settings.value_channels or problem.network.channels),
            epochs=epochs,
            images=settings.value_images,
            holdout=settings.holdout,
            seed=problem.seed,
            batch_size=settings.value_batch_size,
            learning_rate=settings.value_learning_rate,
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

    def seconds(self, pool: BlockPool | None) -> float:
        """How long the value of one network takes on one thread: measured on one batch each of three networks."""
        settings, task = self.settings, self.problem.images
        stack = self.space.block_search()
        pool = pool or random_pool(stack, len(settings.complexities), settings.reductions, self.problem.seed)
        networks = PooledNetworks(self.space, pool)
        images = min(settings.value_images or len(task.train), len(task.train))
        batches = (1 - settings.holdout) * images / settings.value_batch_size * settings.value_epochs
        size = replace(self.problem.network, channels=settings.value_channels or self.problem.network.channels)
        draws = generator(self.problem.seed, "seconds")
        x_BCHW, target_B = task.batch(min(settings.value_batch_size, len(task.train)), draws, augment=True)
        times = []
        with compute_threads(1):
            for _ in range(3):
                model = networks.build(
                    networks.sample(draws), network=size, in_channels=task.in_channels, num_classes=task.num_classes
                )
                with quick_depthwise(model):
                    for _ in range(2):  # the first one warms up
                        began = time.perf_counter()
                        task.loss(model(x_BCHW), Batch((x_BCHW,), target_B)).backward()
                        seconds = time.perf_counter() - began
                times.append(seconds)
        held_out = settings.holdout * images / settings.value_batch_size * settings.value_epochs / 3
        return median(times) * (batches + held_out)


def random_pool(stack: BlockStack, normals: int, reductions: int, seed: int) -> BlockPool:
    """Blocks drawn uniformly among those without ``none``."""
    draws = generator(seed, "pool")
    found = [_split(stack, stack.sample(draws).answers) for _ in range(max(normals, reductions))]
    return pool_of([each[0] for each in found[:normals]], [each[1] for each in found[:reductions]])


def _pool_from(stack: BlockStack, text: str) -> BlockPool:
    normal, reduction = _split(stack, stack.parse(text).answers)
    return pool_of([normal], [reduction])


def _split(stack: BlockStack, answers: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    half = len(answers) // len(BLOCKS)
    return answers[:half], answers[half:]


__all__ = ["EGNAS", "random_pool"]
