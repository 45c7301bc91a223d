"""Signs that a search by gradients has collapsed: into operations that do nothing, or into a network it never trained.

Known since the first papers: skip connections train fastest, so that their weights grow as long as the search goes on
(Zela et al., ICLR 2020; Dong & Yang, ICLR 2020). What is found then is valid, and bad.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.spaces.relaxable import RelaxableSpace
from nascence.tasks.base import Metric

IDLE = ("skip_connect", "none")
"""Operations that compute nothing."""
POOLING = ("max_pool_3x3", "avg_pool_3x3")
"""Operations that compute something, but learn nothing."""
MOST_IDLE = 0.5
DECIDED = 0.3
LEAST_KEPT = 0.5


@final
@dataclass(frozen=True)
class Health:
    """Of the mixing weights and the architecture that would be derived from them now.

    ``skip_share``, ``none_share``: of the edges of the cell in which they are most (a normal cell of skips is a
    collapse, whatever the reduction cell is). ``entropy``: of an edge's weights, 0 (one operation has it all) to 1
    (uniform); ``margin``: between an edge's best and second weight; both means over edges, of weights brought to sum 1.
    ``pool_share``: of the edges of the cell in which poolings are most. ``learning``: whether any edge of any cell has
    an operation that can have weights; both are seen in :attr:`collapse` alone.
    ``supernet``, ``derived``: the task's ``metric`` on the same validation data, with the mean weights and with those
    of the architecture alone; None where not measured. ``connected``: the output depends on the input.
    """

    skip_share: float
    none_share: float
    entropy: float
    margin: float
    connected: bool
    metric: Metric
    supernet: float | None = None
    derived: float | None = None
    pool_share: float = 0.0
    learning: bool = True

    @property
    def collapse(self) -> str | None:
        """One sentence on what is wrong and what to try, or None.

        No path from input to output; more than half of the edges of a cell skip or carry nothing; a cell of poolings
        alone, or no operation with weights in any of them (where an objective that wants small networks leads); or the
        weights are decided (entropy below 0.3), yet the architecture alone keeps less than half of what the supernet
        has, where that is a percentage of right answers.
        """
        remedy = "try --set beta_decay=50, a longer --set warmup_epochs, or another method"
        if not self.connected:
            return f"The search collapsed: no path of operations leads from the input to the output; {remedy}."
        if self.skip_share + self.none_share > MOST_IDLE:
            return (
                f"The search collapsed: {self.skip_share:.0%} of the edges of a cell of its architecture skip and "
                f"{self.none_share:.0%} carry nothing; {remedy}."
            )
        if self.pool_share == 1.0 or not self.learning:
            what = "a cell of its architecture only pools" if self.learning else "its architecture has nothing to learn"
            return (
                f"The search collapsed: {what}; try a longer --set warmup_epochs, less weight on small networks, or "
                "another method."
            )
        if self.supernet is None or self.derived is None or self.entropy >= DECIDED or self.metric.unit != "%":
            return None
        if self.derived < LEAST_KEPT * self.supernet:
            return (
                f"The search collapsed: its architecture alone reaches {self.derived:.3g} % of the validation "
                f"images, the supernet {self.supernet:.3g} %; {remedy}."
            )
        return None

    def event(self) -> dict[str, Any]:
        """As a part of an event; the metric's name follows ``supernet_`` and ``derived_``."""
        names = {"supernet": f"supernet_{self.metric.name}", "derived": f"derived_{self.metric.name}"}
        values = {name: value for name, value in vars(self).items() if name not in ("metric", "pool_share", "learning")}
        return {names.get(name, name): value for name, value in values.items()} | {
            "collapsed": self.collapse is not None
        }

    def state_dict(self) -> dict[str, Any]:
        """The inverse of :meth:`load`."""
        return {name: value for name, value in vars(self).items() if name != "metric"}

    @classmethod
    def load(cls, state: Mapping[str, Any], metric: Metric) -> Health:
        """From a checkpoint, also of version 1."""
        return cls(**{name.removesuffix("_accuracy"): value for name, value in state.items()}, metric=metric)


def examine(
    space: RelaxableSpace,
    weights: Mapping[str, Tensor],
    architecture: Architecture,
    metric: Metric,
    supernet: float | None = None,
    derived: float | None = None,
) -> Health:
    """Look at mean mixing weights [R, O] per group, and at the architecture derived from them."""
    chosen = space.one_hot(architecture)
    operations = [group for group in space.groups if group.role == "operation"]
    shares = [[_share(chosen[group.name], group.options, idle) for idle in IDLE] for group in operations]
    pooled = [sum(_share(chosen[group.name], group.options, name) for name in POOLING) for group in operations]
    skip_share, none_share = max(shares, key=sum, default=[0.0, 0.0])
    entropies, margins = [], []
    for rows in weights.values():
        for row in rows.double():
            parts = (row[row > 0] / row.sum()).sort(descending=True).values.tolist() if float(row.sum()) > 0 else [1.0]
            rest = parts[1] if len(parts) > 1 else 0.0
            margins.append(parts[0] - rest)
            entropies.append(-sum(part * math.log(part) for part in parts) / math.log(max(2, len(parts))))
    return Health(
        skip_share=skip_share,
        none_share=none_share,
        entropy=sum(entropies) / len(entropies),
        margin=sum(margins) / len(margins),
        connected=space.connected(architecture),
        supernet=supernet,
        derived=derived,
        pool_share=round(max(pooled, default=0.0), 9),
        learning=not operations or any(round(sum(i) + p, 9) < 1 for i, p in zip(shares, pooled, strict=True)),
        metric=metric,
    )


def _share(one_hot_RO: Tensor, options: Sequence[str], idle: str) -> float:
    """Of the rows that an architecture keeps, those with the option ``idle``."""
    kept = int((one_hot_RO != 0).any(-1).sum())
    return int((one_hot_RO[:, options.index(idle)] != 0).sum()) / kept if idle in options and kept else 0.0


__all__ = ["IDLE", "POOLING", "Health", "examine"]
