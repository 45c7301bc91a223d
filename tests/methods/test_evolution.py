import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nascence.configuration import settings
from nascence.costs import Budget
from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.methods import Problem
from nascence.methods.evolution import Evolution
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.reevaluation import Reevaluated
from nascence.tasks import load_task

NB201, MACRO = get_space("nas-bench-201"), get_space("nas-bench-macro")
TINY = {"population": 4, "generations": 1}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def problem(task, space=NB201, budget=None, data_dir=None, seed=0):
    network = NetworkConfig(channels=2, depth=1) if space is NB201 else NetworkConfig(channels=2)
    checker = (budget or Budget()).bind(space, network, input_shape=(1, 8, 8), threads=1)
    return Problem(space, task, network, checker, seed, data_dir)


def finished(method, asked):
    strategy = method.strategy(asked)
    while not strategy.done:
        strategy.advance()
    return strategy


def test_from_short_training_to_a_front(digits):
    method = Evolution(epochs=1, images=300, holdout=0.3, **TINY)
    strategy = finished(method, problem(digits))
    front = strategy.front()
    assert [objective.name for objective in front.objectives] == ["error", "params"]
    assert "held-out training images after 4 epochs on" in front.objectives[0].description, "of what is valued again"
    assert front.objectives[0].examples == 90
    assert all(0 <= error <= 100 for error, _ in front.values)
    archive = strategy.evolution.archive
    errors = [one.values[0] for one in archive]
    assert len(archive) == 8
    assert len(set(errors)) > 1
    assert 1 <= len(front) <= 2, "half the population is valued again"
    again = finished(method, problem(digits))
    assert again.front() == front


def test_the_best_are_valued_again_where_they_are_trained_shortly(digits):
    small = {"epochs": 1, "images": 300, "holdout": 0.3, **TINY}
    asked = problem(digits)
    once = finished(Evolution(**small, reevaluated=0), asked)
    assert isinstance(once, NSGA2)
    assert "after 1 epoch on" in once.front().objectives[0].description
    turned = Evolution(objectives=("params", "error"), **small, reevaluated=3, reevaluation_epochs=2)
    strategy = finished(turned, asked)
    assert isinstance(strategy, Reevaluated)
    assert (strategy.by, strategy.count) == (1, 3), "the best by the error, wherever it stands"
    assert "after 2 epochs on" in strategy.front().objectives[1].description
    for method in (Evolution(objectives=("naswot", "params"), **TINY), Evolution(value="supernet", epochs=1, **TINY)):
        assert not isinstance(method.strategy(asked), Reevaluated)


def test_a_run_from_before_values_nothing_again():
    assert Evolution.EARLIER["reevaluated"] == 0


def test_from_a_supernet_to_a_front(digits):
    method = Evolution(value="supernet", epochs=2, images=400, holdout=0.3, channels=2, **TINY)
    strategy = finished(method, problem(digits, budget=Budget(max_params=3000)))
    front = strategy.front()
    assert "with the weights of a supernet after 10 steps on 280" in front.objectives[0].description
    archive = strategy.evolution.archive
    assert len(archive) == 8
    assert len({one.values[0] for one in archive if one.values}) > 1
    assert strategy.evolution.budget.allows(strategy.derive())
    stopped = method.strategy(problem(digits, budget=Budget(max_params=3000)))
    for _ in range(2):
        stopped.advance()
    assert stopped.expected_seconds() > 0
    fresh = method.strategy(problem(digits, budget=Budget(max_params=3000)))
    fresh.load_state_dict(stopped.state_dict())
    while not fresh.done:
        fresh.advance()
    assert fresh.front() == front


def test_a_supernet_needs_cells(digits):
    with pytest.raises(SettingError, match="nas-bench-macro has none; use value=training"):
        Evolution(value="supernet", **TINY).strategy(problem(digits, MACRO))


def test_scores_and_costs_as_objectives(digits):
    method = Evolution(objectives=("naswot", "flops", "memory-mib"), **TINY)
    asked = problem(digits)
    front = finished(method, asked).front()
    naswot, flops, memory = front.objectives
    assert naswot.larger_is_better
    assert "without training" in naswot.description
    assert (flops.unit, memory.unit) == ("FLOPs", "MiB")
    for architecture, values in zip(front.architectures, front.values, strict=True):
        assert values[1] == asked.budget.model.flops(architecture)
        assert values[2] == asked.budget.model.cost("memory_mib", architecture)


def test_every_space(digits):
    method = Evolution(objectives=("params", "naswot"), **TINY)
    strategy = finished(method, problem(digits, MACRO, Budget(max_params=6000)))
    assert all(params <= 6000 for params, _ in strategy.front().values)
    assert strategy.budget.allows(strategy.derive())


def write_table(folder, space, **columns):
    texts = [str(one) for one in space.enumerate()]
    (folder / "tables").mkdir()
    name = "nas-bench-201.parquet" if space is NB201 else "nas-bench-macro-cifar10.parquet"
    values = {name: np.linspace(*ends, len(texts)) for name, ends in columns.items()}
    pq.write_table(pa.table({"arch": texts, **values}), folder / "tables" / name)
    return str(folder)


def test_a_table_is_a_baseline_that_says_so(digits, tmp_path):
    folder = write_table(tmp_path, MACRO, test_acc=(40, 95), test_acc_std=(0, 1), params=(1, 2))
    method = Evolution(value="table", **TINY)
    assert method.reads_table
    assert not Evolution().reads_table
    assert not Evolution(value="table", objectives=("naswot", "params")).reads_table
    front = finished(method, problem(digits, MACRO, data_dir=folder)).front()
    assert "baseline" in front.objectives[0].description
    assert "test_acc of nas-bench-macro" in front.objectives[0].description
    every = {str(one): 40 + 55 * at / 6560 for at, one in enumerate(MACRO.enumerate())}
    for architecture, (error, _) in zip(front.architectures, front.values, strict=True):
        assert error == pytest.approx(100 - every[str(architecture)])


def test_test_accuracies_do_not_steer_where_there_are_others(digits, tmp_path):
    folder = write_table(
        tmp_path, NB201, cifar10_test_acc_200ep=(1, 9), cifar10_valid_acc_12ep=(1, 9), valid_acc_x=(1, 9)
    )
    asked = problem(digits, data_dir=folder)
    with pytest.raises(SettingError, match="one of cifar10_valid_acc_12ep, valid_acc_x"):
        Evolution(value="table").strategy(asked)
    with pytest.raises(UnknownNameError, match="Known: cifar10_valid_acc_12ep, valid_acc_x"):
        Evolution(value="table", column="cifar10_test_acc_200ep").strategy(asked)
    Evolution(value="table", column="cifar10_valid_acc_12ep").strategy(asked)
    with pytest.raises(DataError, match="no table of nas-bench-201"):
        Evolution(value="table").strategy(problem(digits))


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ("error", "two objectives or more"),
        ("", "two objectives or more"),
        ("error,error", "named twice"),
        ("params,flops", "Costs alone"),
        ("error,parms", "Did you mean 'params'"),
    ],
)
def test_objectives_that_make_no_front(objectives, message):
    with pytest.raises((SettingError, UnknownNameError), match=message):
        settings(Evolution, [f"objectives={objectives}"])


def test_an_objective_that_a_limit_leaves_no_room(digits):
    low, _ = problem(digits).budget.model.range("params")
    with pytest.raises(SettingError, match="params contradicts --max-params"):
        Evolution(objectives=("naswot", "params")).strategy(problem(digits, budget=Budget(max_params=low)))
    Evolution(objectives=("naswot", "flops")).strategy(problem(digits, budget=Budget(max_params=2 * low)))


OUT_OF_RANGE = {"population": 1, "generations": -1, "epochs": 0, "images": 0, "draws": 0, "channels": 0, "depth": 0}
OUT_OF_RANGE |= {"holdout": 1.0, "crossover": 2.0, "mutation": -0.5}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_settings_out_of_range(name):
    with pytest.raises(SettingError, match=name):
        Evolution(**{name: OUT_OF_RANGE[name]})


def test_too_few_images_to_train_on(digits):
    with pytest.raises(DataError, match="images=none"):
        Evolution(images=1).strategy(problem(digits))


def test_events_are_json(digits):
    strategy = Evolution(objectives=("ntk-condition", "params"), **TINY).strategy(problem(digits))
    json.dumps(strategy.advance())
