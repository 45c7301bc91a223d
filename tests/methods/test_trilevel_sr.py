"""Trilevel NAS: its parts, and a small search that ends in the network that its supernet has become."""

import numpy as np
import pytest
import torch

from nascence.costs import Budget, CostModel
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.methods.trilevel_sr import TrilevelSR
from nascence.objectives.prices import equal_weights
from nascence.schedules import Moment
from nascence.spaces import get_space
from nascence.spaces.path_tree import PathTreeSize
from nascence.tasks.restoration import Picture, Restoration, Shrunk

SPACE = get_space("path-tree-small")
EQUAL = SPACE.choice_scores(equal_weights(SPACE))
QUICK = {
    "epochs": 4,
    "warmup_epochs": 1,
    "batch_size": 2,
    "epoch_images": 4,
    "check_images": 1,
    "channels": 8,
    "size": "search-small",
    "architecture_learning_rate": 0.05,
}


def task():
    pictures = []
    for at in range(6):
        target = np.random.default_rng(at).integers(0, 256, (1, 32, 32)).astype(np.uint8)
        pictures.append(Picture(str(at), target, Shrunk(2).fixed(target)))
    return Restoration("random", Shrunk(2), tuple(pictures[:5]), tuple(pictures[5:]), patch=8, train_loss="l1")


def strategy(**settings):
    size, data = PathTreeSize(channels=8), task()
    budget = Budget().bind(SPACE, size, signature=data.signature)
    return TrilevelSR(**{**QUICK, **settings}).strategy(Problem(SPACE, data, size, budget, 0))


def test_it_is_known_and_says_what_is_ours():
    assert METHODS.get("trilevel-sr") is TrilevelSR
    assert "abstract" in TrilevelSR.caveat
    assert set(TrilevelSR.PRESETS) == {"paper", "laptop"}
    assert TrilevelSR(**TrilevelSR.PRESETS["laptop"]).price.form == "above"


def test_paths_and_operations_become_sparse_and_widths_are_drawn():
    relaxation = TrilevelSR().relaxation(SPACE, None, 0)
    relaxation.begin(Moment(0, 5, moves=5))
    dense = relaxation.mean()
    assert (dense["operations"] > 0).all()
    relaxation.begin(Moment(4, 5, moved=4, moves=5))
    sparse = relaxation.mean()
    assert set(sparse["operations"].unique().tolist()) == {0.0, 1.0}
    assert set(sparse["paths"].unique().tolist()) == {0.0, 1.0}
    assert not set(sparse["widths"].unique().tolist()) <= {0.0, 1.0}
    widest, narrowest, own = relaxation.samples(torch.Generator().manual_seed(0))
    assert (widest["widths"][:, -1] == 1).all()
    assert (narrowest["widths"][:, 0] == 1).all()
    assert set(own["widths"].unique().tolist()) == {0.0, 1.0}, "a hard draw"
    assert not torch.equal(own["widths"], widest["widths"])


def test_terms_of_the_architecture():
    names = [type(term).__name__ for term in TrilevelSR().objectives()]
    assert names == ["TaskLoss", "PathOrder"]
    assert len(TrilevelSR(order_weight=0.0).objectives()) == 1
    assert [type(term).__name__ for term in strategy().architecture.objectives] == ["TaskLoss", "PathOrder", "LogCost"]
    with pytest.raises(SettingError, match="order_weight"):
        TrilevelSR(order_weight=-1.0)


def test_the_budget_is_the_target_at_the_size_of_the_supernet():
    data = task()
    for channels, limit, form in ((8, None, "log"), (8, 2e6, "above"), (16, 2e6, "above"), (8, None, "distance")):
        size = PathTreeSize(channels=channels, residual=True)
        budget = Budget(max_flops=limit).bind(SPACE, size, signature=data.signature)
        (term,) = TrilevelSR(**QUICK, cost_form=form).prices(Problem(SPACE, data, size, budget, 0), SPACE)
        own = float(CostModel(SPACE, PathTreeSize(channels=8), data.signature).expected("flops", EQUAL))
        final = float(budget.model.expected("flops", EQUAL))
        expected = {"log": 1.0, "above": own / final * (limit or 0), "distance": own}[form]
        assert term.target == pytest.approx(expected)
        assert term.form == form


def test_the_radius_waits_for_the_architecture_to_move():
    relaxation = TrilevelSR(sandwich=False).relaxation(SPACE, None, 0)
    radii = []
    for epoch in range(6):
        relaxation.begin(Moment(epoch, 6, frozen=epoch < 2, moved=max(0, epoch - 2), moves=4))
        radii.append(relaxation.observed()["other_radius"])
    assert radii == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1])


def test_in_the_end_the_supernet_is_the_derived_network():
    search = strategy()
    events, ran = [], []
    while not search.done:
        events.append(search.advance())
        ran.append(search.supernet.network.body.ran)
    zeros = [event[key] for event in events for key in event if key.endswith("zeros")]
    assert zeros[-1] > zeros[0]
    expected = np.mean([2 / 3, 3 / 4])
    assert zeros[-1] == pytest.approx(expected), "paths of three and operations of four options"
    architecture = search.derive()
    mean = search.relaxation.mean()
    one_hot = SPACE.one_hot(architecture)
    assert torch.equal(mean["paths"], one_hot["paths"])
    used = SPACE.tree.cells_of(SPACE.tree.maps[int(one_hot["paths"][0].argmax())])
    for cell in used:
        rows = slice(3 * cell, 3 * cell + 3)
        assert torch.equal(mean["operations"][rows], one_hot["operations"][rows])
    assert ran[-1] == len(used), "maps that no path with any weight needs do not run"
    assert ran[0] == 3
    network = SPACE.build(
        architecture, network=PathTreeSize(channels=8, residual=True), signature=search.task.signature
    )
    network.load_state_dict(SPACE.inherited(search.supernet, architecture, network))
    x_BCHW = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        weights = {**mean, "widths": one_hot["widths"]}
        torch.testing.assert_close(search.supernet(x_BCHW, weights=weights), network(x_BCHW))


def test_softmax_is_the_ablation():
    search = strategy(sparse="softmax", sandwich=False, epochs=2)
    while not search.done:
        search.advance()
    assert not set(search.relaxation.mean()["paths"].unique().tolist()) <= {0.0, 1.0}


def test_evolution_searches_trees_too():
    size, data = PathTreeSize(channels=8), task()
    budget = Budget().bind(SPACE, size, signature=data.signature)
    settings = {"objectives": ("error", "params"), "population": 2, "generations": 1, "epochs": 1, "images": 4}
    recipe = METHODS.get("evolution")(**settings, reevaluated=0, holdout=0.4, channels=8)
    strategy = recipe.strategy(Problem(SPACE, data, size, budget, 0))
    while not strategy.done:
        strategy.advance()
    assert SPACE.parse(SPACE.format(strategy.derive())) == strategy.derive()
