"""Enhanced-Gradient NAS: a gradient search of blocks, then an evolution of networks built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

from nascence.costs import Budget
from nascence.costs.budget import BudgetChecker
from nascence.declaring import part, setting
from nascence.errors import SettingError
from nascence.methods.base import Method, Problem
from nascence.methods.eg_networks import NetworkEvolution, NetworkStage, pool_from, random_pool
from nascence.methods.parts import Epochs, Resized
from nascence.objectives import Complexity, Objective, TaskLoss
from nascence.relaxations import Softmax
from nascence.schedules import Constant
from nascence.seeding import derive_seed
from nascence.spaces import NetworkConfig
from nascence.spaces.eg import EG, BlockStack, blocks_and_networks
from nascence.spaces.pooled import BlockPool
from nascence.strategies import Strategy
from nascence.strategies.blocks_then_networks import BlockSearches, BlocksThenNetworks
from nascence.strategies.descent.architecture_gradient import CalibratedStep
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.supernets.cells import CellSupernet

_DARTS_V2 = (
    "normal:|sep_conv_3x3~0|sep_conv_3x3~1|+|sep_conv_3x3~0|sep_conv_3x3~1|+|skip_connect~0|sep_conv_3x3~1|"
    "+|skip_connect~0|dil_conv_3x3~2|;"
    "reduce:|max_pool_3x3~0|max_pool_3x3~1|+|max_pool_3x3~1|skip_connect~2|+|max_pool_3x3~0|skip_connect~2|"
    "+|max_pool_3x3~1|skip_connect~2|"
)


@final
@dataclass(frozen=True, kw_only=True)
class EGNAS(Descent, Epochs, Method):
    """Enhanced-Gradient NAS (Zhang, Hao, Gao, Tang & Wei, IEEE TNNLS 2023, arXiv 2103.12529), of which we know the
    abstract only: all of it is a reconstruction.

    First stage, one search of blocks for each of ``complexities``: ``gradient``, ``complexities``, ``epsilon``,
    ``typical_step``, ``sparse``, ``reductions``, ``blocks`` and the settings of a descent. Second stage, networks of
    these blocks: ``stacking``, ``evolution``, ``value``, ``reevaluation``, ``limit``.
    """

    name: ClassVar[str] = "eg-nas"
    title: ClassVar[str] = (
        "EG-NAS: blocks by an enhanced gradient, networks of them by evolution (a reconstruction from the abstract)"
    )
    paper: ClassVar[str] = "arXiv 2103.12529"
    on_device: ClassVar[bool] = True
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16")
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

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"warmup_epochs": 10}
    DECIDES: ClassVar[Mapping[str, str]] = {"architecture.learning_rate": "takes steps as large as typical_step says"}

    gradient: Literal["enhanced", "plain"] = setting("enhanced", "enhanced is the natural gradient.")
    complexities: tuple[float, ...] = setting(
        (0.0, 0.03, 0.1, 0.3),
        "Weights of the expected parameters of the blocks, as a part of the costliest blocks', beside the task's "
        "loss; a search of blocks for each.",
        at_least=0,
    )
    epsilon: tuple[float, float] = setting(
        (0.05, 0.01),
        "Added to p before the gradient is divided by it, in the first third of the search and after.",
        at_least=0,
    )
    typical_step: float = setting(
        5e-3, "The median step of an architecture parameter, which fixes their learning rate.", at_least=1e-9
    )
    network: Resized = part(Resized)
    sparse: bool = setting(True, "A node may do without its weaker edge where none outweighs it.")
    reductions: int = setting(
        2, "How many reduction blocks are kept; of the normal ones all that learn and differ.", at_least=1
    )
    blocks: Literal["searched", "random", "darts"] = setting(
        "searched", "Or for an ablation as many random ones, or those of darts (its second version)."
    )
    networks: NetworkStage = part(NetworkStage)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.complexities:
            raise SettingError("complexities needs at least one number.")
        if len(set(self.complexities)) < len(self.complexities):
            raise SettingError("The complexities must differ: a search of blocks that is done twice adds nothing.")
        if self.warmup_epochs >= self.epochs:
            raise SettingError("warmup_epochs must be fewer than epochs, else the architecture takes no step.")

    def strategy(self, problem: Problem) -> Strategy:
        space = blocks_and_networks(problem.space, self.name)
        problem = replace(problem, task=problem.images.shrunk(self.data.image_size))
        small = NetworkEvolution(self.networks, problem, space)
        return BlocksThenNetworks(
            self._blocks(problem, space),
            small.evolve,
            evolution_steps=small.steps,
            valuations=small.valuations,
            network_seconds=lambda pool: small.seconds(pool or self._random(space.block_search(), problem)),
        )

    def _random(self, stack: BlockStack, problem: Problem) -> BlockPool:
        return random_pool(stack, len(self.complexities), self.reductions, problem.seed)

    def _blocks(self, problem: Problem, space: EG) -> BlockSearches | BlockPool:
        stack = space.block_search()
        if self.blocks == "random":
            return self._random(stack, problem)
        if self.blocks == "darts":
            if space.shape.inputs != 2:
                raise SettingError(f"The blocks of DARTS have two inputs, those of {space.name} one; try --space eg.")
            light = "light_sep_conv_3x3" in stack.operations
            text = _DARTS_V2.replace("sep_conv", "light_sep_conv") if light else _DARTS_V2
            return pool_from(stack, text)
        size = self.network.sized(stack, stack.networks["search"])
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
                weights=self.weights,
                architecture=self.architecture,
                data=replace(self.data, image_size=None),  # the images are smaller already
                compute=self.compute,
            ),
            objectives=objectives,
            transform=CalibratedStep(self.gradient, typical=self.typical_step, epsilon=self.epsilon),
            budget=checker,
            seed=problem.seed,
            compute=problem.compute,
        )


__all__ = ["EGNAS"]
