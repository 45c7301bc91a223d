"""Jumping knowledge: ours is PyTorch Geometric's with the same weights."""

import pytest
import torch

from nascence.operations.graphs import FUSIONS, Fusion, Nothing, geometric

STATES = [torch.randn(4, 6, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]


@pytest.mark.parametrize(("mode", "theirs"), [("l_concat", "cat"), ("l_max", "max"), ("l_lstm", "lstm")])
def test_agrees_with_the_library(mode, theirs):
    ours, other = Fusion(6, 3, mode), geometric().nn.JumpingKnowledge(theirs, 6, 3)
    if mode == "l_lstm":
        other.lstm.load_state_dict(ours.lstm.state_dict())
        other.att.load_state_dict(ours.attention.state_dict())
    torch.testing.assert_close(ours.fused(STATES), other(STATES))


@pytest.mark.parametrize("mode", FUSIONS)
def test_output_is_as_wide_as_a_layer(mode):
    out = Fusion(6, 3, mode)(STATES)
    assert out.shape == (4, 6)
    assert float(out.detach().min()) >= 0


def test_one_layer_is_itself():
    torch.testing.assert_close(Fusion(6, 1, "l_lstm").fused(STATES[:1]), STATES[0])


def test_nothing_is_nothing():
    assert not bool(Nothing()(STATES[0]).any())
