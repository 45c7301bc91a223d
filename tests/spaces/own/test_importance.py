"""Magnitudes by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from nascence.spaces.own.importance import importance

AXIS = np.array([0, 1, -1])


def test_the_mean_over_tensors_of_each_norm_by_the_tensor_s_mean():
    """Rows of norms 3 and 1 (mean 2) say 1.5 and 0.5; columns of norms 2 and 2 say 1 and 1; the third unit always
    stays."""
    network = nn.ModuleDict({"made": nn.Linear(2, 3), "read": nn.Linear(3, 4)})
    with torch.no_grad():
        network["made"].weight.copy_(torch.tensor([[3.0, 0.0], [0.6, 0.8], [9.0, 9.0]]))
        network["read"].weight.copy_(torch.tensor([[2.0, 0.0, 7.0], [0.0, 2.0, 7.0], [0, 0, 7.0], [0, 0, 7.0]]))
        network["made"].bias.fill_(100)
    tensors = {"made": {"weight": [AXIS, None], "bias": [AXIS]}, "read": {"weight": [None, AXIS]}}
    assert importance(network, tensors, 2) == pytest.approx([1.25, 0.75])


def test_positions_of_a_unit_count_together_and_statistics_do_not():
    network = nn.ModuleDict({"norm": nn.BatchNorm1d(4)})
    with torch.no_grad():
        network["norm"].weight.copy_(torch.tensor([3.0, 4.0, 0.0, 5.0]))
        network["norm"].running_mean.fill_(50)
    axis = np.array([0, 0, 1, 1])
    tensors = {"norm": {"weight": [axis], "bias": [axis], "running_mean": [axis], "running_var": [axis]}}
    assert importance(network, tensors, 2).tolist() == [1.0, 1.0]  # norms 5 and 5


def test_zeros_weigh_the_same():
    network = nn.ModuleDict({"read": nn.Linear(3, 4)})
    nn.init.zeros_(network["read"].weight)
    assert importance(network, {"read": {"weight": [None, AXIS]}}, 2).tolist() == [1.0, 1.0]
