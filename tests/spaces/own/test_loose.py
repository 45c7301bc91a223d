"""Parameters and constants as layers."""

import pytest
import torch
from torch import nn

from nascence.spaces.own.loose import LooseConstant, LooseParameter, loosened


def test_a_parameter_keeps_its_values_and_starts_again_like_them():
    value = nn.Parameter(torch.linspace(-1, 3, 400).view(4, 100))
    layer = loosened(value)
    assert isinstance(layer, LooseParameter)
    assert torch.equal(layer(), value)
    assert layer() is not value
    assert (layer.mean, layer.std) == pytest.approx((1.0, float(value.detach().std())))
    torch.manual_seed(0)
    layer.reset_parameters()
    assert not torch.equal(layer(), value)
    assert float(layer().detach().mean()) == pytest.approx(1.0, abs=0.2)
    assert layer().requires_grad


def test_one_number_starts_as_it_was():
    layer = loosened(nn.Parameter(torch.tensor([0.5])))
    layer.reset_parameters()
    assert layer().tolist() == [0.5]


def test_a_constant_is_not_learned_and_keeps_its_type():
    value = torch.tensor([3, 1, 2])
    layer = loosened(value)
    assert isinstance(layer, LooseConstant)
    assert torch.equal(layer(), value)
    assert layer().dtype == torch.int64
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == ["value"]
