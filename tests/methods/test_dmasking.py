"""DMaskingNAS: the paper's settings, what the price on costs does, and prices against the table of widths."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.methods.base import Problem
from nascence.methods.darts import DARTS
from nascence.methods.dmasking import DMasking
from nascence.objectives import ExpectedCost
from nascence.relaxations import SoftGumbel
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.testing import toy_widths

SPACE = toy_widths()
SMALL = {
    "size": "search-small",
    "epochs": 4,
    "warmup_epochs": 1,
    "batch_size": 16,
    "train_images": 64,
    "valid_images": 64,
    "check_images": 0,
    "architecture_learning_rate": 0.3,
}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def search(task, space=SPACE, budget=None, seed=0, **settings):
    size = space.networks["search"]
    checker = (budget or Budget()).bind(space, size, signature=task.signature, threads=1)
    return DMasking(**{**SMALL, **settings}).strategy(Problem(space, task, size, checker, seed))


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def test_the_papers_settings():
    m = DMasking()
    assert (m.temperature.start, round(5 * 0.956**90, 3)) == (5.0, m.temperature.end)
    assert (m.epochs, m.warmup_epochs, m.architecture.alternate, m.data.weights_share) == (90, 10, "epoch", 0.8)
    assert (m.weights.momentum, m.weights.learning_rate, m.weights.weight_decay) == (0.9, 0.1, 1e-4)
    assert (m.architecture.weight_decay, m.draws, m.warm_up) == (5e-4, "soft", "drawn")
    assert "never released" in m.caveat


def test_presets():
    """On fbnetv2, with nine blocks a layer, one of them runs; elsewhere masks are soft."""
    assert DMasking.preset(None, "fbnetv2")[0] == "laptop-fbnetv2"
    assert DMasking.preset(None, "fbnetv2")[1]["draws"] == "hard"
    assert DMasking.preset(None, "channel-bench-macro-mobilenet")[0] == "laptop"
    assert "draws" not in DMasking.PRESETS["laptop"]
    for settings in DMasking.PRESETS.values():
        assert DMasking(**settings).make_stages()


def test_its_parts(digits):
    strategy = search(digits)
    assert isinstance(strategy.relaxation, SoftGumbel)
    (term,) = [each for each in strategy.architecture.objectives if isinstance(each, ExpectedCost)]
    assert (term.cost, term.form) == ("flops", "log")
    limited = search(digits, budget=Budget(max_flops=2e5))
    (term,) = [each for each in limited.architecture.objectives if isinstance(each, ExpectedCost)]
    assert term.target == 2e5
    assert not [e for e in search(digits, cost_weight=0.0).architecture.objectives if isinstance(e, ExpectedCost)]


def test_weights_and_architecture_move_in_turn(digits):
    """In an epoch all steps of the weights, then all of the architecture; none of the latter in the warm-up."""
    strategy = search(digits)
    moved = []
    play_weights, play_architecture = strategy.weights.play, strategy.architecture.play

    def weights(batch, turn):
        moved.append((turn.moment.epoch, "weights"))
        play_weights(batch, turn)

    def architecture(batch, turn):
        moved.append((turn.moment.epoch, "architecture"))
        play_architecture(batch, turn)

    strategy.weights.play, strategy.architecture.play = weights, architecture
    finish(strategy)
    assert [who for epoch, who in moved if epoch == 0] == ["weights"] * 4
    assert [who for epoch, who in moved if epoch == 2] == ["weights"] * 4 + ["architecture"] * 4


def test_a_dear_cost_ends_in_the_cheapest_network_and_none_does_not(digits):
    dear = search(digits, cost_weight=30.0, epochs=6)
    events = finish(dear)
    flops = dear.budget.model.flops
    assert dear.derive() == min(SPACE.enumerate(), key=flops)
    last = events[-1]
    assert last["derived_flops"] == flops(dear.derive()) == dear.findings()["expected_cost"]["found"]
    assert last["expected_flops_weight"] == 30.0
    assert last["temperature"] < events[0]["temperature"]
    free = search(digits, cost_weight=0.0, epochs=6)
    finish(free)
    assert flops(free.derive()) > flops(dear.derive())


def test_the_budget_holds_whatever_is_wanted(digits):
    costs = sorted(search(digits).budget.model.params(architecture) for architecture in SPACE.enumerate())
    limit = Budget(max_params=costs[10])
    strategy = search(digits, budget=limit, cost="params", cost_form="distance", epochs=2)
    finish(strategy)
    assert strategy.budget.allows(strategy.derive())


@pytest.mark.parametrize("warm_up", ["drawn", "uniform", "single"])
@pytest.mark.parametrize("draws", ["soft", "hard"])
def test_draws_and_warm_ups(digits, draws, warm_up):
    strategy = search(digits, draws=draws, warm_up=warm_up, epochs=2)
    events = finish(strategy)
    assert all(torch.isfinite(torch.tensor(event["train_loss"])) for event in events)
    assert any(value.abs().max() > 0 for value in strategy.relaxation.parameters.values())


def test_goes_on_after_a_stop_to_the_same_bits(digits):
    whole, half, rest = (search(digits) for _ in range(3))
    finish(whole)
    for _ in range(2):
        half.advance()
    rest.load_state_dict(half.state_dict())
    finish(rest)
    for name, value in whole.relaxation.parameters.items():
        assert torch.equal(value, rest.relaxation.parameters[name])


def test_fbnetv2_is_searched(digits):
    """Operations, widths, expansions and the resolution together, on the thinnest networks."""
    space = get_space("fbnetv2")
    limit = Budget(max_flops=3e5)
    size = space.networks["score"]
    checker = limit.bind(space, size, signature=digits.signature, threads=1)
    settings = {**SMALL, "epochs": 1, "warmup_epochs": 0, "train_images": 16, "valid_images": 16, "channels": 4}
    strategy = DMasking(**settings, draws="hard").strategy(Problem(space, digits, size, checker, 0))
    finish(strategy)
    assert checker.allows(strategy.derive())
    assert all(value.abs().max() > 0 for value in strategy.relaxation.parameters.values())


def test_a_price_on_costs_is_a_switch_of_any_gradient_method(digits):
    size = SPACE.networks["search"]
    problem = Problem(SPACE, digits, size, Budget().bind(SPACE, size, signature=digits.signature, threads=1), 0)
    settings = {name: value for name, value in SMALL.items() if name != "epochs"}
    strategy = DARTS(**settings, epochs=3, cost_weight=20.0, cost="params").strategy(problem)
    finish(strategy)
    assert strategy.derive().answers[1:3] == ("0.25", "0.25")


def test_idle_and_wrong_settings():
    with pytest.raises(SettingError, match="cost_target is of no use without cost_weight"):
        DMasking(cost_weight=0.0, cost_target=1e6)
    with pytest.raises(SettingError, match="temperature"):
        DMasking(temperature=0.0)
    with pytest.raises(SettingError, match="cost_weight"):
        DMasking(cost_weight=-1.0)


@pytest.mark.data
def test_prices_find_the_best_network_of_their_cost():
    """Within 0.1 points of the best that the table has at no more multiply-adds, at every price."""
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("width_price_sweep", root / "benchmarks" / "width_price_sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = Path(os.environ.get("NASCENCE_DATA") or root.parent / "shared" / "data")
    if not (folder / "tables" / "channel-bench-macro-mobilenet.parquet").exists():
        pytest.skip("needs the table channel-bench-macro-mobilenet.parquet under NASCENCE_DATA or ../shared/data")
    found = module.sweep(str(folder))
    assert [text for _, text, *_ in found] == ["4444342", "2444243", "2344143", "1224141", "1222121", "1212122"]
    for price, text, accuracy, _, best in found:
        assert accuracy >= best - 0.1, (price, text)
