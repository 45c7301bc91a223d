"""NASI on every kind of relaxable space: cells as published, elsewhere a decision per row."""

import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import NascenceError, SettingError, UnknownNameError
from nascence.methods import Problem
from nascence.methods.nasi import NASI
from nascence.relaxations.decisions import decisions_without
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.testing import toy_space, toy_widths
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

SPACES = {
    "toy-graph": lambda: (toy_graph_space(), toy_graph_task()),
    "sane": lambda: (get_space("sane-1"), toy_graph_task()),
    "toy-denoiser": lambda: (toy_denoiser_space(), ToyDenoising.make()),
    "toy-widths": lambda: (toy_widths(), load_task("digits")),
}
FEW = {"steps": 2, "images": 8}


def problem(space, task):
    size = space.networks["evaluation"]
    return Problem(space, task, size, Budget().bind(space, size, signature=task.signature, threads=1), 0)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("data", ["true", "noise"])
def test_two_steps(name, data):
    space, task = SPACES[name]()
    search = NASI(**FEW, data=data).strategy(problem(space, task))
    events = [search.advance() for _ in range(2)]
    assert all(event["trace"] > 0 and math.isfinite(event["gradient_norm"]) for event in events)
    assert events[0]["trace"] != events[1]["trace"]
    assert any(value.isfinite().any() and value[value.isfinite()].any() for value in search.logits().values())
    assert space.architecture(search.derive().answers)


def test_a_shift_of_a_rows_logits_changes_nothing():
    """A softmax does not see it, so that the gradients of a row add up to zero."""
    space, task = SPACES["toy-graph"]()
    search = NASI(**FEW).strategy(problem(space, task))
    _, gradients = search.gradients.function(0)
    for gradient in gradients.values():
        largest = float(gradient.abs().max())
        assert largest > 0
        assert torch.allclose(gradient.sum(-1), torch.zeros(len(gradient)), atol=1e-4 * largest)


def test_a_sample_is_one_hot_and_never_excluded():
    space = get_space("sane-1")
    decisions = decisions_without(space, ("gcn", "gin"))
    weights = decisions.straight_through(decisions.zeros(), generator(0))
    for value in weights.values():
        assert torch.equal(value.sort(-1).values[:, -1], torch.ones(len(value)))
    columns = [space.groups[0].options.index(name) for name in ("gcn", "gin")]
    assert decisions.zeros()["aggregator"][:, columns].isinf().all()


def test_skips_may_be_left_out_where_none_is_excluded():
    """``none`` among operations drowns the others; a skip that is not there is no operation."""
    decisions = NASI().strategy(problem(get_space("sane-2"), toy_graph_task())).decisions
    assert decisions.zeros()["skip"].isfinite().all()


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"exclude": "nonsense"}, UnknownNameError, "nonsense"),
        ({"exclude": "own,mean,sum,max"}, SettingError, "leaves no operation of toy-graph"),
        ({"depth": 3}, NascenceError, "Networks of sane-1 have no depth"),
    ],
)
def test_settings_that_do_not_fit(settings, kind, said):
    name = "sane" if "depth" in settings else "toy-graph"
    with pytest.raises(kind, match=said):
        NASI(**FEW, **settings).strategy(problem(*SPACES[name]()))


def test_pictures_have_no_labels():
    with pytest.raises(SettingError, match="labels=random is about classes"):
        NASI(**FEW, labels="random").strategy(problem(*SPACES["toy-denoiser"]()))


def test_random_labels_of_nodes():
    one, other = (NASI(**FEW, labels=labels).strategy(problem(*SPACES["toy-graph"]())) for labels in ("true", "random"))
    assert one.advance()["trace"] != other.advance()["trace"]


def test_cells_are_decided_by_edges():
    space = toy_space()
    search = NASI(**FEW).strategy(problem(space, load_task("digits")))
    value, gradients = search.gradients.function(0)
    assert value > 0
    assert set(gradients) == set(search.decisions.zeros())
