"""Signs that a search by gradients has collapsed: into operations that do nothing, or into a network it never trained.

Known since the first papers: skip connections train fastest, so that their weights grow as long as the search goes on
(Zela et al., ICLR 2020; Dong & Yang, ICLR 2020). What is found then is valid, and bad.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.spaces import CellSpace

IDLE = ("skip_connect", "none")
"""Operations that compute nothing."""
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
    ``supernet_accuracy``, ``derived_accuracy``: in percent, on the same validation images, with the mean weights and
    with those of the architecture alone; None where not measured. ``connected``: the output depends on the input.
    """

    skip_share: float
    none_share: float
    entropy: float
    margin: float
    connected: bool
    supernet_accuracy: float | None = None
    derived_accuracy: float | None = None

    @property
    def collapse(self) -> str | None:
        """One sentence on what is wrong and what to try, or None: no path from input to output; more than half of the
        edges of a cell skip or carry nothing; or the weights are decided (entropy below 0.3), yet the architecture
        alone keeps less than half of the supernet's accuracy."""
        remedy = "try --set beta_decay=50, a longer --set warmup_epochs, or another method"
        if not self.connected:
            return f"The search collapsed: no path of operations leads from the input to the output; {remedy}."
        if self.skip_share + self.none_share > MOST_IDLE:
            return (
                f"The search collapsed: {self.skip_share:.0%} of the edges of a cell of its architecture skip and "
                f"{self.none_share:.0%} carry nothing; {remedy}."
            )
        if self.supernet_accuracy is None or self.derived_accuracy is None or self.entropy >= DECIDED:
            return None
        if self.derived_accuracy < LEAST_KEPT * self.supernet_accuracy:
            return (
                f"The search collapsed: its architecture alone reaches {self.derived_accuracy:.3g} % of the validation "
                f"images, the supernet {self.supernet_accuracy:.3g} %; {remedy}."
            )
        return None

    def event(self) -> dict[str, Any]:
        """As a part of an event."""
        return {**vars(self), "collapsed": self.collapse is not None}


def examine(
    space: CellSpace,
    weights: Mapping[str, Tensor],
    architecture: Architecture,
    supernet_accuracy: float | None = None,
    derived_accuracy: float | None = None,
) -> Health:
    """Look at mean mixing weights [E, O] per kind of cell, and at the architecture derived from them."""
    chosen = space.edge_operations(architecture)
    shares = [[list(edges.values()).count(idle) / len(edges) for idle in IDLE] for edges in chosen.values()]
    skip_share, none_share = max(shares, key=sum)
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
        connected=all(_connected(space, edges) for edges in chosen.values()),
        supernet_accuracy=supernet_accuracy,
        derived_accuracy=derived_accuracy,
    )


def _connected(space: CellSpace, edges: Mapping[int, str]) -> bool:
    """Whether the cell's output depends on any of its inputs."""
    shape = space.shape
    reached = set(range(shape.inputs))
    for at, (source, target) in enumerate(shape.edges):  # ordered by target, so sources are known
        if source in reached and edges.get(at, "none") != "none":
            reached.add(target)
    last = shape.inputs + shape.nodes - 1
    return last in reached if shape.output == "last" else bool(reached - set(range(shape.inputs)))


__all__ = ["IDLE", "Health", "examine"]
