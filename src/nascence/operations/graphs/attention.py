"""Aggregators that PyTorch Geometric does not have: sums and maxima, and four ways to weigh a neighbour.

All map node features [N, C] and edges [2, E] (source, target) to [N, C]; every node also hears itself. The classes and
functions of this file need nothing but PyTorch, so that an exported network can hold them as they stand here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def with_self_loops(edges_2E: Tensor, nodes: int) -> Tensor:
    """Edges [2, E'] without those from a node to itself, then one such edge for every node."""
    kept = edges_2E[:, edges_2E[0] != edges_2E[1]]
    own = torch.arange(nodes, device=edges_2E.device)
    return torch.cat([kept, torch.stack([own, own])], dim=1)


def softmax_by_target(scores_EH: Tensor, targets_E: Tensor, nodes: int) -> Tensor:
    """Weights [E, H] of edges with these scores: those into one node sum to 1 in every head."""
    at_EH = targets_E[:, None].expand_as(scores_EH)
    largest_NH = scores_EH.new_full((nodes, scores_EH.shape[1]), -torch.inf).scatter_reduce(
        0, at_EH, scores_EH.detach(), "amax"
    )
    shifted_EH = (scores_EH - largest_NH[targets_E]).exp()
    totals_NH = torch.zeros_like(largest_NH).index_add(0, targets_E, shifted_EH)
    return shifted_EH / totals_NH[targets_E]


class Gathered(nn.Module):
    """sum or max over the edges j -> i of dropout(W x_j), plus a bias: attention of weight 1 (SANE's sage_sum and
    sage_max)."""

    def __init__(self, channels: int, reduction: str, dropout: float) -> None:
        super().__init__()
        self.channels, self.reduction, self.dropout = channels, reduction, dropout
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x_NC: Tensor, edges_2E: Tensor) -> Tensor:
        sources, targets = with_self_loops(edges_2E, x_NC.shape[0])
        messages_EC = F.dropout(F.linear(x_NC, self.weight)[sources], self.dropout, self.training)
        if self.reduction == "sum":
            return torch.zeros_like(x_NC).index_add(0, targets, messages_EC) + self.bias
        at_EC = targets[:, None].expand_as(messages_EC)
        empty = torch.zeros_like(x_NC)
        return empty.scatter_reduce(0, at_EC, messages_EC, "amax", include_self=False) + self.bias


class Attention(nn.Module):
    """sum over the edges j -> i of a_ij W x_j, plus a bias, in ``heads`` heads of C / heads channels.

    a_ij is the softmax over the edges into i, after dropout, of one of these scores of z = W x with vectors a_l, a_r of
    every head (Zhao, Yao & Tu, ICDE 2021; Gao et al., GraphNAS, IJCAI 2020):
    ``sym`` LeakyReLU(a_l z_i + a_r z_j) + LeakyReLU(a_l z_j + a_r z_i); ``cos`` (a_l * z_i) (a_r * z_j);
    ``linear`` tanh(a_l z_j + a_r z_j); ``gen_linear`` g tanh(a_l * z_i + a_r * z_j) with a vector g of all heads.
    """

    def __init__(self, channels: int, score: str, heads: int, dropout: float) -> None:
        super().__init__()
        self.channels, self.score, self.heads, self.dropout = channels, score, heads, dropout
        self.weight = nn.Parameter(torch.zeros(channels, channels))
        self.left = nn.Parameter(torch.zeros(heads, channels // heads))
        self.right = nn.Parameter(torch.zeros(heads, channels // heads))
        self.generalised = nn.Parameter(torch.zeros(channels // heads)) if score == "gen_linear" else None
        self.bias = nn.Parameter(torch.zeros(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.xavier_uniform_(self.left)
        nn.init.xavier_uniform_(self.right)
        if self.generalised is not None:
            nn.init.xavier_uniform_(self.generalised[None])
        nn.init.zeros_(self.bias)

    def forward(self, x_NC: Tensor, edges_2E: Tensor) -> Tensor:
        sources, targets = with_self_loops(edges_2E, x_NC.shape[0])
        z_NHD = F.linear(x_NC, self.weight).view(x_NC.shape[0], self.heads, -1)
        weights_EH = softmax_by_target(self.scores(z_NHD, sources, targets), targets, x_NC.shape[0])
        weights_EH = F.dropout(weights_EH, self.dropout, self.training)
        messages_EC = (weights_EH[:, :, None] * z_NHD[sources]).flatten(1)
        return torch.zeros_like(x_NC).index_add(0, targets, messages_EC) + self.bias

    def scores(self, z_NHD: Tensor, sources_E: Tensor, targets_E: Tensor) -> Tensor:
        """[E, H], before the softmax."""
        left_NHD, right_NHD = z_NHD * self.left, z_NHD * self.right
        if self.score == "cos":
            return (left_NHD[targets_E] * right_NHD[sources_E]).sum(-1)
        if self.generalised is not None:
            return (left_NHD[targets_E] + right_NHD[sources_E]).tanh() @ self.generalised
        left_NH, right_NH = left_NHD.sum(-1), right_NHD.sum(-1)
        if self.score == "linear":
            return (left_NH + right_NH).tanh()[sources_E]
        here = F.leaky_relu(left_NH[targets_E] + right_NH[sources_E], 0.2)
        there = F.leaky_relu(left_NH[sources_E] + right_NH[targets_E], 0.2)
        return here + there


__all__ = ["Attention", "Gathered", "softmax_by_target", "with_self_loops"]
