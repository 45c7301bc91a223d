from dataclasses import replace

import pytest
import torch

from nascence.costs import CostModel
from nascence.errors import SettingError
from nascence.methods.valuing import by_cost, by_score, by_training, objective_names, together
from nascence.scores import SCORES, evaluate
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import ImageSet, load_task
from nascence.tasks.base import Signature
from nascence.testing import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task
from nascence.training import Training

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


def test_short_training_never_sees_the_test_images(digits, drawn):
    black = replace(digits, test=ImageSet(torch.zeros_like(digits.test.images), digits.test.labels))
    options = {"epochs": 1, "images": 300, "holdout": 0.4, "seed": 0}
    values = by_training(NB201, digits, SMALL, **options).values(drawn)
    assert values == by_training(NB201, black, SMALL, **options).values(drawn)
    assert all(0 <= value <= 100 for value in values)
    assert by_training(NB201, digits, SMALL, **options).values(drawn[1:2]) == values[1:2], "one by one or together"


def test_a_network_that_cannot_be_trained_is_all_wrong(digits, drawn, monkeypatch):
    from nascence.errors import NascenceError

    def diverge(self):
        raise NascenceError("The training loss became nan")

    monkeypatch.setattr(Training, "advance", diverge)
    valuation = by_training(NB201, digits, SMALL, epochs=1, images=300, holdout=0.4, seed=0)
    assert valuation.values(drawn[:1]) == [100.0]


@pytest.mark.parametrize("kind", ["denoising", "graph"])
def test_other_tasks_are_valued_by_short_trainings_too(kind):
    if kind == "denoising":
        task, space, unit = ToyDenoising.make(), toy_denoiser_space(), "dB"
    else:
        task, space, unit = toy_graph_task(), toy_graph_space(), "%"
    size = space.networks["evaluation"]
    settings = {"epochs": 1, "images": 20, "holdout": 0.3, "seed": 0}
    valuation = by_training(space, task, size, **settings, batch_size=4)
    first, second = valuation.values([space.sample(generator(0)), space.sample(generator(1))])
    assert valuation.objective.unit == unit
    assert (first < 0) == (kind == "denoising")
    assert first != second
    with pytest.raises(SettingError, match="The score swap works on images with a class each"):
        by_score("swap", space, task, seed=0, draws=1)
