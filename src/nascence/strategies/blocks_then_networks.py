"""Two stages: several searches of blocks side by side, then an evolution of networks over the pool of their blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch

from nascence.architecture import Architecture
from nascence.engine.forked import parallel_map
from nascence.errors import RunError
from nascence.spaces.eg import BLOCKS, BlockStack
from nascence.spaces.pooled import BlockPool, PooledNetworks
from nascence.strategies.base import Strategy
from nascence.strategies.block_pool import FoundBlocks, block_cost, derive_block, expected_and_derived, make_pool
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.pareto import Front
from nascence.strategies.reevaluation import Reevaluated


@final
@dataclass(frozen=True)
class BlockSearches:
    """The first stage: ``searches`` of one length, which differ in the weight of ``complexities``; every block is
    derived with ``sparse`` (see :func:`derive_block`), and so many ``reductions`` are kept."""

    space: BlockStack
    searches: tuple[BilevelDescent, ...]
    complexities: tuple[float, ...]
    sparse: bool
    reductions: int

    @property
    def steps(self) -> int:
        return max(search.total_steps for search in self.searches)

    def advance(self) -> dict[str, Any]:
        """One step of every search, side by side."""

        def step(search: BilevelDescent) -> tuple[dict[str, Any], dict[str, Any]]:
            event = search.advance()
            return event, search.state_dict()

        results = parallel_map(step, self.searches)
        for search, (_, state) in zip(self.searches, results, strict=True):
            if search.steps_done != state["steps_done"]:  # it went on in another process
                search.load_state_dict(state)
        events = [event for event, _ in results]
        first = events[0]
        shared = {name: first[name] for name in ("epoch", "step")}
        metric = self.searches[0].task.metric.name
        names = ("train_loss", "validation_loss", f"validation_{metric}", "entropy", f"derived_{metric}")
        told = {name: [event.get(name) for event in events] for name in names if name in first}
        pairs = [self._costs(search) for search in self.searches]
        return {
            "part": "blocks",
            **shared,
            "complexity_weight": list(self.complexities),
            **told,
            "expected_cost": [round(expected, 5) for expected, _ in pairs],
            "derived_cost": [round(derived, 5) for _, derived in pairs],
        }

    def _costs(self, search: BilevelDescent) -> tuple[float, float]:
        weights, costs = search.relaxation.mean(), search.budget.model.table("params")
        shape, operations = self.space.shape, self.space.operations
        derived = {
            kind: block_cost(shape, operations, self._block(search, kind), costs[kind]) for kind in self.space.kinds
        }
        return expected_and_derived(weights, costs, derived)

    def _block(self, search: BilevelDescent, kind: str) -> tuple[str, ...]:
        weights = search.relaxation.mean()[kind].cpu()
        return derive_block(self.space.shape, self.space.operations, weights, sparse=self.sparse)

    def pool(self) -> BlockPool:
        """Of all blocks. Only when every search is done."""
        found = []
        for search in self.searches:
            assert search.done
            normal, reduction = (self._block(search, kind) for kind in BLOCKS)
            costs = search.budget.model.table("params")[BLOCKS[1]]
            derived = None if search.health is None else search.health.derived
            cost = block_cost(self.space.shape, self.space.operations, reduction, costs)
            found.append(FoundBlocks(normal, reduction, 100.0 - (derived or 0.0), cost))
        return make_pool(found, self.reductions)


@final
class BlocksThenNetworks(Strategy):
    """``blocks`` first, or a ``pool`` that is given; then what ``evolve`` makes of the pool, in ``evolution_steps``.

    One step is one step of all block searches, or one of the evolution. The result is the evolution's front, as
    architectures of the whole space. ``network_seconds``: measures how long the value of one network of a pool takes;
    ``valuations``: how many times that the evolution takes in all.
    """

    def __init__(
        self,
        blocks: BlockSearches | BlockPool,
        evolve: Callable[[BlockPool], tuple[PooledNetworks, Reevaluated]],
        *,
        evolution_steps: int,
        valuations: float,
        network_seconds: Callable[[BlockPool | None], float],
    ) -> None:
        self.blocks, self.evolve = blocks, evolve
        self.valuations, self.network_seconds = valuations, network_seconds
        self.block_steps = blocks.steps if isinstance(blocks, BlockSearches) else 0
        self.total_steps = self.block_steps + evolution_steps
        self.steps_done = 0
        self.pool: BlockPool | None = None
        self.networks: PooledNetworks | None = None
        self.evolution: Reevaluated | None = None
        if isinstance(blocks, BlockPool):
            self._begin_evolution(blocks)

    def _begin_evolution(self, pool: BlockPool) -> None:
        self.pool = pool
        self.networks, self.evolution = self.evolve(pool)
        assert self.evolution.total_steps == self.total_steps - self.block_steps

    def advance(self) -> dict[str, Any]:
        if self.evolution is None:
            assert isinstance(self.blocks, BlockSearches)
            event = self.blocks.advance()
            if self.steps_done + 1 == self.block_steps:
                self._begin_evolution(self.blocks.pool())
                assert self.pool is not None
                event["pool"] = self.pool.to_dict()
        else:
            event = {"part": "networks", **self.evolution.advance()}
        self.steps_done += 1
        return event

    def derive(self) -> Architecture:
        """The front's knee."""
        front = self.front()
        return front.architectures[front.knee]

    def front(self) -> Front:
        assert self.evolution is not None
        assert self.networks is not None
        front = self.evolution.front()
        return Front(front.objectives, tuple(map(self.networks.decode, front.architectures)), front.values)

    def expected_seconds(self) -> float:
        """Of both stages from here, from a few measured steps of each, on the threads that PyTorch is allowed."""
        threads = torch.get_num_threads()
        total = 0.0
        if self.evolution is None:
            assert isinstance(self.blocks, BlockSearches)
            rounds = -(-len(self.blocks.searches) // threads)
            total = rounds * self.blocks.searches[0].expected_seconds()
        left = self.valuations * (self.total_steps - max(self.steps_done, self.block_steps))
        networks = left / (self.total_steps - self.block_steps)
        return total + networks * self.network_seconds(self.pool) / threads

    def state_dict(self) -> dict[str, Any]:
        searching = self.evolution is None and isinstance(self.blocks, BlockSearches)
        return {
            "steps_done": self.steps_done,
            "pool": None if self.pool is None else self.pool.to_dict(),
            "searches": [search.state_dict() for search in self._searches] if searching else [],
            "evolution": None if self.evolution is None else self.evolution.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError` when the state is of other searches."""
        self.steps_done = state["steps_done"]
        if state["pool"] is None:
            if len(state["searches"]) != len(self._searches):
                raise RunError(
                    f"This search was begun with {len(state['searches'])} searches of blocks, now there are "
                    f"{len(self._searches)}."
                )
            self.pool = self.networks = self.evolution = None
            for search, own in zip(self._searches, state["searches"], strict=True):
                search.load_state_dict(own)
            return
        self._begin_evolution(BlockPool.from_dict(state["pool"]))
        assert self.evolution is not None
        self.evolution.load_state_dict(state["evolution"])

    @property
    def _searches(self) -> Sequence[BilevelDescent]:
        return self.blocks.searches if isinstance(self.blocks, BlockSearches) else ()


__all__ = ["BlockSearches", "BlocksThenNetworks"]
