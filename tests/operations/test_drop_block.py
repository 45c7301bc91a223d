import pytest
import torch

from nascence.operations.drop_block import DropBlock
from nascence.seeding import generator


def dropped(rate, block=3, shape=(64, 8, 16, 16), seed=0):
    module = DropBlock(block)
    module.rate, module.generator = rate, generator(seed)
    return module, module(torch.ones(shape))


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_share_that_is_dropped_and_the_mean(rate, block):
    _, out = dropped(rate, block)
    assert float((out == 0).float().mean()) == pytest.approx(rate, rel=0.05)
    assert float(out.mean()) == pytest.approx(1, rel=1e-5)


def test_the_expected_output_is_the_input():
    x = torch.rand(1, 2, 16, 16, generator=generator(1)) + 0.5
    module = DropBlock()
    module.rate, module.generator = 0.3, generator(2)
    mean = torch.stack([module(x) for _ in range(2000)]).mean(0)
    assert float((mean / x).mean()) == pytest.approx(1, abs=0.01)
    for part in (mean / x)[..., 0, :], (mean / x)[..., -1], (mean / x)[..., 2:-2, 2:-2]:  # borders too
        assert float(part.mean()) == pytest.approx(1, abs=0.03)


def test_blocks_are_square():
    """Every dropped pixel lies in a dropped block of three by three (cut at the border)."""
    _, out = dropped(0.05, shape=(4, 2, 16, 16))
    outside = torch.nn.functional.pad((out == 0).float(), (2, 2, 2, 2), value=1.0)
    corners = -torch.nn.functional.max_pool2d(-outside, 3, 1)
    again = torch.nn.functional.max_pool2d(corners, 3, 1)
    assert torch.equal(again, (out == 0).float())
    assert 0 < float((out == 0).sum()) < 0.2 * out.numel()


def test_identity_where_it_has_nothing_to_do():
    x = torch.randn(2, 3, 8, 8)
    module = DropBlock()
    assert module(x) is x
    module.rate = 0.3
    assert module.eval()(x) is x
    assert module.train()(x) is not x


def test_small_features_and_the_global_state():
    _, out = dropped(0.3, shape=(256, 4, 2, 1))
    assert out.shape == (256, 4, 2, 1)
    assert bool(torch.isfinite(out).all())
    state = torch.get_rng_state()
    one, two = dropped(0.3, seed=3)[1], dropped(0.3, seed=3)[1]
    assert torch.equal(one, two)
    assert torch.equal(state, torch.get_rng_state())


def test_everything_dropped_is_zero_not_nan():
    _, out = dropped(1.0, block=8, shape=(1, 1, 8, 8))
    assert float(out.abs().max()) == 0


def test_the_gradient_is_the_mask():
    module = DropBlock()
    module.rate, module.generator = 0.3, generator(0)
    x = torch.ones(2, 3, 8, 8, requires_grad=True)
    out = module(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())
