"""The error of candidates of an evolution, from short trainings."""

from dataclasses import replace

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import NascenceError, SettingError
from nascence.methods import Problem
from nascence.methods.candidate_errors import by_inheritance, by_training, held_out_part, shortly_trained, supernet_for
from nascence.methods.parts import ShortTraining
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import ImageSet, load_task
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


def test_short_training_never_sees_the_test_images(digits, drawn):
    black = replace(digits, test=ImageSet(torch.zeros_like(digits.test.images), digits.test.labels))
    options = {"epochs": 1, "images": 300, "holdout": 0.4, "seed": 0}
    values = by_training(NB201, digits, SMALL, **options).values(drawn)
    assert values == by_training(NB201, black, SMALL, **options).values(drawn)
    assert all(0 <= value <= 100 for value in values)
    assert by_training(NB201, digits, SMALL, **options).values(drawn[1:2]) == values[1:2], "one by one or together"


def test_a_network_that_cannot_be_trained_is_all_wrong(digits, drawn, monkeypatch):
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


def test_settings_say_the_size_and_the_examples(digits, drawn):
    network = NetworkConfig(channels=4, depth=1)
    asked = Problem(NB201, digits, network, Budget().bind(NB201, network, input_shape=(1, 8, 8), threads=1), 0)
    settings = ShortTraining(images=300, holdout=0.4, channels=2)
    short = shortly_trained(asked, settings, 1)
    assert short.values(drawn[:1]) == by_training(
        NB201, digits, SMALL, epochs=1, images=300, holdout=0.4, seed=0
    ).values(drawn[:1])
    one_shot, held_out = supernet_for(asked, settings)
    assert len(held_out) == len(held_out_part(digits, images=300, holdout=0.4, seed=0)[1])
    assert one_shot.total == 200 * 3, "passes, where no number is given, of 180 images in batches of 64"
    (error,) = by_inheritance(one_shot, held_out).values(drawn[:1])
    assert 0 <= error <= 100
    nothing = replace(asked, space=get_space("nas-bench-macro"))
    with pytest.raises(SettingError, match="use value=training"):
        supernet_for(nothing, settings)
