"""How far a distribution over topologies is from computing something with every part: passive (zero, without gradient)
while every constraint holds with some margin, aggressive (linear) where one does not.

*Explicitly Learning Topology for Differentiable NAS* (Huang et al., arXiv 2011.09300) names a passive-aggressive
regularisation against invalid topologies; its formula could not be read, and this one is a reconstruction:

    R = sum_j [max(0, in_j - out_j - m) + max(0, out_j - in_j - m)] + max(0, m_r - rho_out),

in_j = 1 - q_j(empty), out_j = 1 - prod_{k > j} (1 - gamma_jk), rho_j = 1 - prod_i (1 - gamma_ij rho_i), rho of the
inputs 1. Edges into different nodes are independent; those into one are not, hence in_j from the empty set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from nascence.relaxations.topology import Topology

Output = Literal["last", "concat", "leaves"]
"""What a cell returns: its last node, all inner nodes side by side, or those that no other node reads."""

MARGIN, REACH = 0.1, 0.9


def invalidity(
    topology: Topology,
    q: Mapping[str, Tensor],
    output: Output | None = None,
    margin: float = MARGIN,
    reach: float = REACH,
) -> Tensor:
    """R [...] of the distributions ``q`` [..., S_j], summed over the kinds of cell; ``output`` None for the space's.

    ``last``: no node may have inputs and be unused, none be used and have no input, and the output must be reached.
    ``leaves``: the last two. ``concat``: every node is used, and needs an input; nothing else can go wrong.
    """
    output = output or topology.space.shape.output
    weights = topology.edge_weights(q)
    return torch.stack([_of_kind(topology, kind, q, weights[kind], output, margin, reach) for kind in weights]).sum(0)


def is_valid(topology: Topology, kept: Mapping[str, tuple[int, ...]], output: Output | None = None) -> bool:
    """Whether the topology of the sets ``kept`` violates nothing."""
    return float(invalidity(topology, topology.one_hot(kept), output)) == 0.0


def _of_kind(
    topology: Topology,
    kind: str,
    q: Mapping[str, Tensor],
    gamma_E: Tensor,
    output: Output,
    margin: float,
    reach: float,
) -> Tensor:
    shape = topology.space.shape
    one = torch.ones_like(gamma_E[..., 0])
    last = shape.inputs + shape.nodes - 1
    used = [_used(topology, gamma_E, node) for node in range(last + 1)]
    rho = [one] * shape.inputs
    total = torch.zeros_like(one)
    for node, name in zip(range(shape.inputs, last + 1), topology.of_kind(kind), strict=True):
        inside = 1 - q[name][..., topology.sets[name].index(())] if () in topology.sets[name] else one
        outside = one if output == "concat" or (output == "last" and node == last) else used[node]
        if output == "last":
            total = total + (inside - outside - margin).clamp_min(0)
        total = total + (outside - inside - margin).clamp_min(0)
        blocked = one
        for at in shape.edges_into(node):
            blocked = blocked * (1 - gamma_E[..., at] * rho[shape.edges[at][0]])
        rho.append(1 - blocked)
    if output == "concat":
        return total
    reached = rho[last]
    if output == "leaves":
        missed = one
        for node in range(shape.inputs, last + 1):
            missed = missed * (1 - (1 - used[node]) * rho[node])
        reached = 1 - missed
    return total + (reach - reached).clamp_min(0)


def _used(topology: Topology, gamma_E: Tensor, node: int) -> Tensor:
    """The probability that a later node reads ``node``."""
    unread = torch.ones_like(gamma_E[..., 0])
    for at, (source, _) in enumerate(topology.space.shape.edges):
        if source == node:
            unread = unread * (1 - gamma_E[..., at])
    return 1 - unread


__all__ = ["MARGIN", "REACH", "Output", "invalidity", "is_valid"]
