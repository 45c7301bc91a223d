"""The trace of sampled architectures and its gradient, against the definition."""

import pytest
import torch

from nascence.errors import SettingError
from nascence.relaxations.decisions import decisions_without
from nascence.seeding import generator
from nascence.strategies.kernel_trace import SampledTrace
from nascence.tasks import load_task
from nascence.testing import toy_space

SPACE = toy_space()


@pytest.fixture(scope="module")
def trace():
    task = load_task("digits")
    supernet = SPACE.supernet(SPACE.networks["search-small"], task.signature, seed=0)
    decisions = decisions_without(SPACE, ("none",))
    return SampledTrace(task, supernet, decisions, lambda step: task.drawn(8, generator(step)), temperature=0.5, seed=3)


def test_it_is_the_squared_norm_of_the_gradient_of_the_drawn_network(trace):
    value, gradients = trace(trace.decisions.zeros(), 1)
    random = generator(3, "nasi", "gumbel", 1)
    weights = trace.decisions.straight_through(trace.decisions.zeros(), random, 0.5)
    batch = trace.batch(1)
    loss = trace.task.loss(trace.supernet(*batch.inputs, weights=weights), batch)
    found = torch.autograd.grad(loss, list(trace.supernet.parameters()), allow_unused=True)
    torch.testing.assert_close(value, sum(each.square().sum() for each in found if each is not None).detach())
    assert set(gradients) == set(trace.decisions.zeros())
    assert any(bool(gradient.any()) for gradient in gradients.values())


def test_draws_and_batches_follow_from_the_step(trace):
    zeros = trace.decisions.zeros()
    first, again, other = (trace(zeros, step)[0] for step in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not any(value.requires_grad for value in zeros.values())


def test_what_has_no_second_derivative_is_refused_in_a_sentence(trace, monkeypatch):
    def once(self, batch, output):
        raise RuntimeError("derivative for aten::grid_sampler_2d_backward is not implemented")

    monkeypatch.setattr(type(trace.task), "loss", once)
    with pytest.raises(SettingError, match="nasi needs second derivatives, and a part of the networks of toy has none"):
        trace(trace.decisions.zeros(), 0)
