"""Networks that answer together."""

import torch
from torch import nn

from nascence.tasks.combining import mean, mean_probability
from nascence.training.ensemble import Ensemble


def test_outputs_are_combined_and_weights_are_kept():
    torch.manual_seed(0)
    members = [nn.Linear(4, 3) for _ in range(2)]
    x = torch.randn(5, 4)
    together = Ensemble(members, mean_probability)
    share = (members[0](x).softmax(1) + members[1](x).softmax(1)) / 2
    torch.testing.assert_close(together(x).exp(), share)
    torch.testing.assert_close(Ensemble(members, mean)(x), (members[0](x) + members[1](x)) / 2)
    assert len(list(together.parameters())) == 4
    again = Ensemble([nn.Linear(4, 3) for _ in range(2)], mean_probability)
    again.load_state_dict(together.state_dict())
    torch.testing.assert_close(again(x), together(x))
