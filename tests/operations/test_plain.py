"""Plain operations keep the picture's size, cost what they say, and keep masked channels zero inside."""

import pytest
import torch

from nascence.costs.counting import flops, params
from nascence.errors import UnknownNameError
from nascence.operations.plain import PLAIN, plain_amounts, plain_operation


@pytest.mark.parametrize("name", PLAIN)
def test_shapes_and_amounts(name):
    for channels in (1, 6):
        operation = plain_operation(name, channels)
        assert operation(torch.zeros(2, channels, 7, 9)).shape == (2, channels, 7, 9)
        amounts = {key: a * channels**2 + b * channels for key, (a, b) in plain_amounts(name).items()}
        assert params(operation) == amounts["params"]
        counted = 0 if name == "skip" else flops(operation, (channels, 7, 9))
        assert counted == 2 * 7 * 9 * amounts["macs"]


@pytest.mark.parametrize("name", PLAIN)
def test_the_first_channels_are_a_narrow_operation(name):
    wide, narrow = plain_operation(name, 6), plain_operation(name, 2)
    state = wide.state_dict()
    narrow.load_state_dict(
        {key: state[key][tuple(slice(n) for n in value.shape)] for key, value in narrow.state_dict().items()}
    )
    x_BCHW = torch.rand(1, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    masked = x_BCHW.clone()
    masked[:, 2:] = 0
    torch.testing.assert_close(wide(masked)[:, :2], narrow(x_BCHW[:, :2]))


@pytest.mark.parametrize(("name", "reach"), [("conv3x3", 1), ("conv5x5", 2), ("sep5x5", 2), ("dil3x3", 2), ("skip", 0)])
def test_how_far_an_operation_sees(name, reach):
    x_BCHW = torch.rand(1, 2, 11, 11, generator=torch.Generator().manual_seed(0)).requires_grad_()
    operation = plain_operation(name, 2)
    for parameter in operation.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    operation(x_BCHW)[..., 5, 5].sum().backward()
    seen = x_BCHW.grad[0].abs().sum(0).nonzero()
    assert seen.min() == 5 - reach
    assert seen.max() == 5 + reach


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="conv7x7"):
        plain_operation("conv7x7", 2)
