import pytest
import torch

from nascence.costs import Budget, CostModel
from nascence.errors import SettingError
from nascence.methods.valuing import by_cost, by_score, check_objectives, check_room, objective_names, together
from nascence.scores import SCORES, evaluate
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import load_task
from nascence.tasks.base import Signature
from nascence.testing import ToyDenoising, toy_denoiser_space

NB201 = get_space("nas-bench-201")
SMALL = NetworkConfig(channels=2, depth=1)


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


@pytest.fixture(scope="module")
def drawn():
    random = torch.Generator().manual_seed(0)
    return [NB201.sample(random) for _ in range(3)]


def test_names():
    names = objective_names()
    assert names[:5] == ["error", "params", "flops", "memory-mib", "latency-ms"]
    assert len(set(names)) == len(names)
    assert set(SCORES.names()) < set(names)


def test_costs(drawn):
    model = CostModel(NB201, SMALL, Signature.images((1, 8, 8)))
    params, flops = by_cost("params", model), by_cost("flops", model)
    assert params.values(drawn) == [model.params(one) for one in drawn]
    assert not params.dear
    both = together([params, flops])(drawn)
    assert both == [(model.params(one), model.flops(one)) for one in drawn]
    assert "Predicted from measured latencies" in by_cost("latency-ms", model).objective.description


def test_scores(digits, drawn):
    valuation = by_score("naswot", NB201, digits, seed=3, draws=2)
    computed = [
        sum(evaluate([SCORES.get("naswot")()], NB201, one, digits, seed=3, draws=2)["naswot"]) / 2 for one in drawn
    ]
    assert valuation.values(drawn) == pytest.approx(computed)
    assert valuation.dear


def test_scores_of_other_data():
    with pytest.raises(SettingError, match="The score swap works on images with a class each"):
        by_score("swap", toy_denoiser_space(), ToyDenoising.make(), seed=0, draws=1)


def test_a_front_is_between_an_error_or_a_score_and_something_else():
    check_objectives(["error", "params"])
    for names, words in ((["params", "flops"], "Costs alone"), (["error"], "two objectives"), (["error"] * 2, "twice")):
        with pytest.raises(SettingError, match=words):
            check_objectives(names)


def test_a_limit_leaves_an_objective_room_or_not():
    low, high = CostModel(NB201, SMALL, Signature.images((1, 8, 8))).range("params")
    for limit, fits in ((low, False), ((low + high) / 2, True)):
        checker = Budget(max_params=limit).bind(NB201, SMALL, input_shape=(1, 8, 8), threads=1)
        check_room(["error", "flops"], checker)
        if fits:
            check_room(["error", "params"], checker)
        else:
            with pytest.raises(SettingError, match="params contradicts --max-params"):
                check_room(["error", "params"], checker)
