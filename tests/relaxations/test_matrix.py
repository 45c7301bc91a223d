"""Every relaxation on every relaxable space: two steps of descent, whoever wrote either."""

import importlib
from pathlib import Path

import pytest
import torch

import nascence.relaxations
from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.relaxations import (
    DecoupledTopology,
    Dirichlet,
    EdgeNormalised,
    ExplicitTopology,
    GumbelSoftmax,
    GumbelTopK,
    Joint,
    Relaxation,
    SoftGumbel,
    Softmax,
    UniformPath,
    VariationalPosterior,
)
from nascence.relaxations.sandwich import Sandwich
from nascence.relaxations.sparsestmax import Sparsestmax
from nascence.schedules import Constant
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.cells import cell_space
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.tasks import load_task
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task
from nascence.testing.toy_widths import toy_widths

SMALL = NetworkConfig(channels=4, depth=1, affine=False, track_running_stats=False)


def digits():
    return load_task("digits")


SPACES = {
    "nas-bench-201": (lambda: get_space("nas-bench-201"), SMALL, digits),
    "darts": (lambda: get_space("darts"), NetworkConfig(channels=4, depth=3, affine=False), digits),
    "eg": (lambda: get_space("eg").block_search(), NetworkConfig(channels=4, depth=3, affine=False), digits),
    "toy-widths": (toy_widths, None, digits),
    "toy-graph": (toy_graph_space, None, toy_graph_task),
    "toy-denoiser": (toy_denoiser_space, None, ToyDenoising.make),
}


def no_none(space):
    return [name for name in space.groups[0].options if name != "none"]


RELAXATIONS = {
    "softmax": lambda space: Softmax(space),
    "gumbel": lambda space: GumbelSoftmax(space, None, Constant(1.0)),
    "gumbel-top-k": lambda space: GumbelTopK(space, None, 2, Constant(1.0)),
    "dirichlet": lambda space: Dirichlet(space),
    "edges": lambda space: EdgeNormalised(Softmax(space)),
    "dots": lambda space: DecoupledTopology(cell_space(space, "dots"), space.groups[0].options),
    "explicit-topology": lambda space: ExplicitTopology(Softmax(cell_space(space, "topology"), no_none(space))),
    "joint": lambda space: Joint(
        space,
        {
            space.groups[0].name: lambda groups, seed: Dirichlet(space, groups=groups, seed=seed),
            **({"": lambda groups, seed: GumbelSoftmax(space, groups=groups, seed=seed)} if space.groups[1:] else {}),
        },
    ),
    "uniform": lambda space: UniformPath(space),
    "posterior": lambda space: VariationalPosterior(space),
    "soft-gumbel": lambda space: SoftGumbel(space),
    "sparsestmax": lambda space: Sparsestmax(space, None, Constant(0.1)),
    "sandwich": lambda space: Sandwich(Softmax(space), always=True),
}
ELSEWHERE = {"FixedArchitecture": "has no parameters", "Tied": "joins the groups of two spaces"}
CELLS = ("nas-bench-201", "darts", "eg")
ONLY_CELLS = ("edges", "dots", "explicit-topology")
WITH_WIDTHS = ("toy-widths", "toy-denoiser")
PAIRS = [(space, each) for each in RELAXATIONS for space in (WITH_WIDTHS if each == "sandwich" else SPACES)]


def search(space_name, relaxation_name, steps=2):
    make_space, size, make_task = SPACES[space_name]
    space, task = make_space(), make_task()
    size = size or space.networks["search"]
    still = relaxation_name == "uniform"
    strategy = BilevelDescent(
        space,
        task,
        RELAXATIONS[relaxation_name](space),
        lambda partial, seed: space.supernet(size, task.signature, seed=seed),
        stages=(Stage(epochs=1, warmup=int(still)),),
        descent=Descent(batch_size=6, train_images=6 * steps, valid_images=6 * steps, check_images=6),
        budget=Budget().bind(space, size, signature=task.signature),
        seed=0,
    )
    return space, strategy


def test_every_relaxation_is_here_or_has_a_reason():
    for path in Path(nascence.relaxations.__file__).parent.glob("*.py"):
        importlib.import_module(f"nascence.relaxations.{path.stem}")
    kinds, ends = [Relaxation], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if getattr(kind, "__final__", False) and kind.__module__.startswith("nascence.relaxations."):
            ends.add(kind.__name__)
    here = {type(make(SPACES["nas-bench-201"][0]())).__name__ for make in RELAXATIONS.values()}
    assert ends == here | set(ELSEWHERE)


@pytest.mark.parametrize(("space", "relaxation"), PAIRS)
def test_two_steps(space, relaxation):
    if relaxation in ONLY_CELLS and space not in CELLS:
        with pytest.raises(SettingError):
            search(space, relaxation)
        return
    made, strategy = search(space, relaxation)
    before = {name: leaf.detach().clone() for name, leaf in strategy.relaxation.parameters.items()}
    weights = [weight.detach().clone() for weight in strategy.supernet.parameters()]
    event = strategy.advance()
    assert strategy.done
    metric = strategy.task.metric.name
    assert {"train_loss", f"train_{metric}", f"supernet_{metric}", f"derived_{metric}"} <= set(event)
    assert made.parse(event["architecture"]) == strategy.derive()
    assert any(not torch.equal(one, two) for one, two in zip(weights, strategy.supernet.parameters(), strict=True))
    for name, leaf in strategy.relaxation.parameters.items():
        moved = (leaf.detach() - before[name]).abs()
        moved = moved.sum(-1) if moved.dim() > 1 else moved.sum()[None]
        single = before[name].shape[-1] == 1  # a set of one has nothing to choose
        assert single or bool((moved > 0).all()), f"a row of {name} got no gradient"
    mixing = strategy.relaxation.mean()
    assert {name: tuple(value.shape) for name, value in mixing.items()} == {g.name: g.shape for g in made.groups}


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "dirichlet"])
@pytest.mark.parametrize("space", SPACES)
def test_a_search_goes_on_where_it_was(space, relaxation):
    _, whole = search(space, relaxation)
    _, resumed = search(space, relaxation)
    resumed.load_state_dict(whole.state_dict())
    assert resumed.advance() == whole.advance()


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "dirichlet", "gumbel-top-k"])
@pytest.mark.parametrize("space", SPACES)
def test_options_that_a_row_cannot_have_weigh_nothing(space, relaxation):
    made = SPACES[space][0]()
    relaxed = RELAXATIONS[relaxation](made)
    for weights in (*relaxed.samples(generator(0)), relaxed.mean()):
        for group in made.groups:
            assert not (weights[group.name].detach()[~group.allowed()] != 0).any()
            torch.testing.assert_close(weights[group.name].detach().sum(-1), torch.ones(len(group.rows)))
