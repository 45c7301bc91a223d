"""MoD-NAS: its parts by the dossier's equations, and small searches on toy denoisers and on its own space."""

import itertools
import math

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods import METHODS, Problem
from nascence.methods.mod_nas import MoDNAS
from nascence.schedules import Moment
from nascence.spaces import get_space
from nascence.spaces.unfold_dense import UnfoldSize
from nascence.testing import ToyDenoising, toy_denoiser_space

TASK = ToyDenoising.make()
QUICK = {
    "epochs": 3,
    "warmup_epochs": 1,
    "batch_size": 4,
    "epoch_images": 8,
    "check_images": 4,
    "size": "search-small",
    "learning_rate": 2e-3,
    "architecture_learning_rate": 0.1,
}


def problem(space, network, seed=0):
    return Problem(space, TASK, network, Budget().bind(space, network, signature=TASK.signature), seed)


def searched(settings, seed=0, channels=8):
    space = get_space("unfold-dense")
    strategy = MoDNAS(**{**QUICK, "channels": channels, "unfolding": 0, **settings}).strategy(
        problem(space, UnfoldSize(channels=channels), seed)
    )
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return strategy, events


def test_it_is_known_and_says_what_is_ours():
    assert METHODS.get("mod-nas") is MoDNAS
    assert "reconstruction" in MoDNAS.caveat
    assert set(MoDNAS.PRESETS) == {"paper", "laptop"}
    assert MoDNAS(**MoDNAS.PRESETS["laptop"]).weights.optimizer == "adam"


def test_the_temperature_falls_while_the_architecture_moves():
    space = get_space("unfold-dense")
    relaxation = MoDNAS(temperature=(5.0, 0.1)).relaxation(space, None, 0)
    found = []
    for moved in range(11):
        relaxation.begin(Moment(moved, 11, moved=moved, moves=11))
        found.append(relaxation.inner.temperature)
    assert found[0] == pytest.approx(5)
    assert found[-1] == pytest.approx(0.1)
    ratios = [later / earlier for earlier, later in itertools.pairwise(found)]
    assert max(ratios) == pytest.approx(min(ratios))
    relaxation.begin(Moment(0, 11, moves=11))
    soft = relaxation.mean()["operations"]
    torch.testing.assert_close(soft, (relaxation.logits()["operations"] / 5).softmax(-1))


def test_exits_begin_late():
    relaxation = MoDNAS(exit_bias=2.0).relaxation(get_space("unfold-dense"), None, 0)
    logits = relaxation.logits()["exits"]
    assert (logits.argmax(1) == 4).all()
    assert float((logits[:, -1] - logits[:, 0]).mean().detach()) == pytest.approx(2, abs=0.01)


def test_the_loss_of_the_architecture_has_the_cost_in_it():
    space, size = get_space("unfold-dense"), UnfoldSize(channels=8)
    given = problem(space, size)
    (term,) = MoDNAS(cost_weight=0.05, cost="params").prices(given, space)
    assert (type(term).__name__, term.cost, term.schedule(Moment(0, 1))) == ("ExpectedCost", "params", 0.05)
    assert MoDNAS(cost_weight=0.0).prices(given, space) == ()
    weights = {g.name: torch.full(g.shape, 1 / g.shape[1]) for g in space.groups}
    supernet = space.supernet(size, TASK.signature)
    assert float(term.expected(weights)) == pytest.approx(float(supernet.expected("params", weights)), rel=1e-6)


def test_a_small_search_ends_in_an_architecture_and_repeats():
    one, events = searched({})
    two, _ = searched({})
    other, _ = searched({}, seed=1)
    assert one.derive() == two.derive()
    weights = [each.relaxation.mean()["operations"] for each in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    last = events[-1]
    assert last["temperature"] == pytest.approx(0.1)
    assert math.isfinite(last["train_psnr"])
    assert {"validation_psnr", "architecture", "mse_weight", "expected_flops_weight"} <= last.keys()


def test_a_larger_weight_of_the_cost_finds_cheaper_networks():
    expected = []
    for weight in (0.0, 3e-3, 3e-1):
        strategy, _ = searched({"cost_weight": weight, "epochs": 5, "epoch_images": 12})
        mean = strategy.relaxation.mean()
        expected.append(float(strategy.supernet.expected("flops", mean)))
    assert expected == sorted(expected, reverse=True)
    assert expected[2] < 0.5 * expected[0]


def test_model_guided_or_not():
    for unfolding, steps in ((0, 0), (2, 2)):
        strategy, _ = searched({"unfolding": unfolding, "epochs": 2})
        assert len(strategy.supernet.network.steps) == steps
    assert len(searched({"unfolding": None, "epochs": 2})[0].supernet.network.steps) == 0


def test_the_sandwich_is_a_switch():
    strategy, _ = searched({"sandwich": False, "epochs": 2})
    assert type(strategy.relaxation).__name__ == "Softmax"


def test_other_spaces_are_searched_without_unfolding():
    space = toy_denoiser_space()
    settings = {**QUICK, "channels": None, "cost_weight": 0.0, "epochs": 2}
    with pytest.raises(SettingError, match="unfolding=none"):
        MoDNAS(**settings).strategy(problem(space, space.networks["evaluation"]))
    strategy = MoDNAS(**settings, unfolding=None).strategy(problem(space, space.networks["evaluation"]))
    while not strategy.done:
        strategy.advance()
    assert strategy.derive().space == "toy-denoiser"


def test_settings_that_make_no_sense(tmp_path):
    for settings, message in (
        ({"temperature": (5.0, 0.0)}, "temperature"),
        ({"cost_weight": -1.0}, "cost_weight"),
        ({"unfolding": -1}, "unfolding"),
        ({"teacher": str(tmp_path / "nowhere.onnx")}, "nowhere"),
        ({"teacher_weight": 0.5}, "teacher"),
        ({"teacher_weight": 0.0}, "teacher_weight"),
    ):
        with pytest.raises(SettingError, match=message):
            MoDNAS(**settings)


def test_a_teacher_beside_the_truth(tmp_path):
    file = tmp_path / "a.onnx"
    file.write_text("")
    alone = MoDNAS(teacher=str(file)).weight_objectives()
    assert [type(term).__name__ for term in alone] == ["OnnxTeacher"]
    both = MoDNAS(teacher=str(file), teacher_weight=0.25).weight_objectives()
    assert [(type(t).__name__, t.schedule(Moment(0, 1))) for t in both] == [("TaskLoss", 0.75), ("OnnxTeacher", 0.25)]


@pytest.mark.parametrize("method", ["darts", "gdas", "drnas"])
def test_methods_that_nobody_wrote_for_pictures_search_here_too(method):
    space = get_space("unfold-dense")
    recipe = METHODS.get(method)(**{**QUICK, "epochs": 2, "learning_rate": 1e-3, "channels": 8})
    strategy = recipe.strategy(problem(space, UnfoldSize(channels=8)))
    before = None
    while not strategy.done:
        strategy.advance()
        before = before or strategy.relaxation.mean()
    assert space.parse(space.format(strategy.derive())) == strategy.derive()
    assert any(not torch.equal(before[name], weights) for name, weights in strategy.relaxation.mean().items())
