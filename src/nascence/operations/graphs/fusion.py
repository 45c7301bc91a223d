"""What becomes of the layers' outputs: jumping knowledge (Xu et al., ICML 2018), and options without weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Nothing(nn.Module):
    """0 whatever the input: a layer whose output is not used at the end."""

    def forward(self, x_NC: Tensor) -> Tensor:
        return torch.zeros_like(x_NC)


class Fusion(nn.Module):
    """ReLU(W f(s_1..s_K)) of the layers' outputs s_l [N, C].

    f is ``l_concat``: all channels side by side; ``l_max``: the largest of every channel; ``l_lstm``: sum_l a_l s_l
    with a = softmax over l of a linear map of what a bidirectional LSTM says of layer l, for every node.
    """

    def __init__(self, channels: int, layers: int, mode: str) -> None:
        super().__init__()
        self.channels, self.layers, self.mode = channels, layers, mode
        hidden = max(1, layers * channels // 2)
        self.lstm = nn.LSTM(channels, hidden, bidirectional=True, batch_first=True) if mode == "l_lstm" else None
        self.attention = nn.Linear(2 * hidden, 1) if mode == "l_lstm" else None
        self.linear = nn.Linear(channels * (layers if mode == "l_concat" else 1), channels)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        return self.linear(self.fused(states)).relu()

    def fused(self, states: Sequence[Tensor]) -> Tensor:
        """f(s_1..s_K)."""
        if self.mode == "l_concat":
            return torch.cat(list(states), dim=1)
        stacked_NLC = torch.stack(list(states), dim=1)
        if self.lstm is None or self.attention is None:
            return stacked_NLC.amax(1)
        weights_NL1 = self.attention(self.lstm(stacked_NLC)[0]).softmax(1)
        return (stacked_NLC * weights_NL1).sum(1)


__all__ = ["Fusion", "Nothing"]
