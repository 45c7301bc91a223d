"""A derived network takes over the chosen candidate's weights, and the first channels where it is narrower."""

import pytest
import torch
from torch import nn

from nascence.supernets import (
    ChoiceGroup,
    MaskedWidth,
    MixedOperation,
    MixedResolution,
    MixedSupernet,
    inherited_state,
)


class Two(nn.Module):
    def __init__(self, first, channels):
        super().__init__()
        self.first, self.last = first, nn.Conv2d(channels, 1, 1)

    def forward(self, x_BCHW):
        return self.last(self.first(x_BCHW))


def supernet():
    candidates = [nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 3, padding=1)]
    return MixedSupernet([ChoiceGroup("g", ("r",), ("1", "3"))], Two(MixedOperation("g", 0, candidates), 4))


def test_the_chosen_candidate_and_its_first_channels():
    whole = supernet()
    derived = Two(nn.Conv2d(1, 2, 3, padding=1), 2)
    state = inherited_state(whole, {"g": torch.tensor([[0.0, 1.0]])}, derived)
    assert torch.equal(state["first.weight"], whole.network.first.candidates[1].weight[:2])
    assert torch.equal(state["last.weight"], whole.network.last.weight[:, :2])
    assert torch.equal(state["last.bias"], whole.network.last.bias)
    derived.load_state_dict(state)
    with torch.no_grad():
        derived.last.weight.zero_()
    assert whole.network.last.weight.abs().sum() > 0, "a copy"


def test_what_the_supernet_does_not_have_raises():
    with pytest.raises(KeyError, match="other"):
        inherited_state(supernet(), {"g": torch.tensor([[1.0, 0.0]])}, nn.ModuleDict({"other": nn.Linear(1, 1)}))


def test_within_a_searched_resolution_and_an_option_with_options_of_its_own():
    inner = MixedOperation("inner", 0, [nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 3, padding=1)])
    outer = MixedOperation("outer", 0, [nn.Identity(), nn.Sequential(inner, MaskedWidth("width", 0, (2, 4)))])
    whole = MixedSupernet([], MixedResolution("size", 0, (0.5, 1.0), Two(outer, 4), pooled=False))
    one_hot = {name: torch.eye(2)[[option]] for name, option in (("inner", 1), ("outer", 1), ("width", 0), ("size", 1))}
    derived = Two(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1)), 2)
    derived.load_state_dict(inherited_state(whole, one_hot, derived))
    x = torch.arange(32.0).view(2, 1, 4, 4)
    torch.testing.assert_close(derived(x), whole(x, weights=one_hot))
