"""Slimmable operations: a narrow one is the first channels of the wide one, and costs what its slices hold."""

import pytest
import torch

from nascence.supernets.slimmable import OPERATIONS, SlimOperation, amount, pad_channels


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 6), (3, 6), (6, 4), (4, 4)])
def test_narrow_operations(name, inputs, outputs):
    wide, narrow = SlimOperation(name, 6, 6), SlimOperation(name, inputs, outputs, fixed=True)
    assert sum(p.numel() for p in narrow.parameters()) == amount(name, inputs, outputs)
    state = wide.state_dict()
    narrow.load_state_dict(
        {key: state[key][tuple(slice(n) for n in value.shape)] for key, value in narrow.state_dict().items()}
    )
    x_BCHW = torch.rand(2, inputs, 5, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(wide(x_BCHW, outputs), narrow(x_BCHW, outputs))
        assert narrow(x_BCHW, outputs).shape == (2, outputs, 5, 7)


def test_a_skip_is_no_identity():
    x_BCHW = torch.ones(1, 2, 3, 3)
    assert not torch.equal(SlimOperation("skip", 2, 2)(x_BCHW, 2), x_BCHW)


def test_padding():
    x_BCHW = torch.ones(1, 2, 3, 3)
    assert pad_channels(x_BCHW, 2) is x_BCHW
    assert pad_channels(x_BCHW, 5).sum() == 18
