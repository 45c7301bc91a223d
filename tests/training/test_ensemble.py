"""Networks that answer together."""

import pytest
import torch
from torch import nn

from nascence.tasks import load_task
from nascence.tasks.combining import mean, mean_probability
from nascence.training import evaluate
from nascence.training.ensemble import Ensemble, judge_ensemble


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


def test_together_and_apart():
    """What is said of all is what the ensemble's own evaluation says; of each, what its own says."""
    task = load_task("digits")
    torch.manual_seed(0)
    members = [nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval() for _ in range(3)]
    part = task.part("test")
    evaluation, told = judge_ensemble(members, part, task, batch_size=100)
    whole = evaluate(Ensemble(members, task.combine), part, task)
    assert evaluation.value == whole.value
    assert told["nll"] == pytest.approx(whole.loss, rel=1e-6)
    for member, own in zip(members, told["members"], strict=True):
        alone = evaluate(member, part, task)
        assert own["accuracy"] == pytest.approx(alone.value)
        assert own["nll"] == pytest.approx(alone.loss, rel=1e-6)
        assert 0 < own["ece"] < 100
    assert told["nll"] < sum(own["nll"] for own in told["members"]) / 3, "by Jensen's inequality"
    assert 0 < told["disagreement"] < 100
    _, same = judge_ensemble([members[0]] * 2, part, task)
    assert same["disagreement"] == 0
    assert same["ece"] == pytest.approx(same["members"][0]["ece"])
