import math
from dataclasses import dataclass

import pytest
import torch

from nascence.scores import SCORES, Probe, Score, evaluate
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.testing import ScoreConformance


@pytest.fixture
def space():
    return get_space("nas-bench-201")


@dataclass(frozen=True, kw_only=True)
class Stub(Score):
    name = "stub"
    description = "for tests"
    source = "none"
    larger_is_better = True
    worst = -5.0

    def __call__(self, probe):
        return math.nan if probe.draw else 1.0


@pytest.mark.parametrize("space_name", ["nas-bench-201", "darts"])
@pytest.mark.parametrize("name", SCORES.names())
class TestRegisteredScores(ScoreConformance):
    @pytest.fixture(autouse=True)
    def chosen(self, name, space_name, digits):
        small = {"linear-regions": {"patches": 200}, "ntk-condition": {"images": 8}, "ntk-trace": {"images": 8}}
        self.score = SCORES.get(name)(**small.get(name, {}))
        self.space, self.task = get_space(space_name), digits
        self.degenerate = (
            [
                self.space.architecture(["none"] * 6),
                self.space.architecture(["nor_conv_3x3", "none", "none", "none", "none", "none"]),
            ]
            if space_name == "nas-bench-201"
            else []
        )


def test_names_are_those_of_the_registry():
    assert set(SCORES.names()) >= {"ntk-condition", "linear-regions", "ntk-trace", "params", "flops"}


def test_not_a_number_becomes_the_worst(space, digits):
    values = evaluate([Stub()], space, space.from_index(0), digits, draws=3)
    assert values == {"stub": [1.0, -5.0, -5.0]}


class TestProbe:
    def test_images_do_not_depend_on_the_architecture(self, space, digits):
        one, two = (Probe(space, space.from_index(at), digits, seed=4) for at in (1, 2))
        assert torch.equal(one.images(5)[0], two.images(5)[0])
        assert torch.equal(one.patches(5, 3, 2), two.patches(5, 3, 2))
        other = Probe(space, space.from_index(1), digits, seed=4, draw=1)
        assert not torch.equal(one.images(5)[0], other.images(5)[0])
        assert not torch.equal(one.patches(50, 3, 2), other.patches(50, 3, 2))

    def test_shapes(self, space, digits):
        probe = Probe(space, space.from_index(1), digits)
        images, labels = probe.images(7)
        assert images.shape == (7, 1, 8, 8)
        assert labels.shape == (7,)
        assert probe.patches(5, 3, 2).shape == (10, 1, 3, 3)
        assert not torch.equal(*probe.patches(50, 3, 2).chunk(2)), "every batch has patches of its own"

    def test_what_is_shared_is_computed_once(self, space, digits):
        probe = Probe(space, space.from_index(1), digits)
        assert probe.images(5)[0] is probe.images(5)[0]
        assert probe.network("score") is probe.network("score")
        assert probe.network("score") is not probe.network("score", batch_norm="frozen")
        calls = []
        for _ in range(2):
            probe.shared("key", lambda: calls.append(1))
        assert calls == [1]

    def test_weights_depend_on_the_draw(self, space, digits):
        one, other = (Probe(space, space.from_index(1), digits, draw=draw).network("score") for draw in (0, 1))
        weights = [network.stem[0].weight for network in (one, other)]
        assert not torch.equal(*weights)


def test_all_skip_is_not_degenerate(space, digits):
    architecture = space.architecture(["skip_connect"] * 6)
    for name in ("ntk-condition", "linear-regions", "ntk-trace"):
        score = SCORES.get(name)()
        value = score(Probe(space, architecture, digits))
        assert math.isfinite(value)
        assert value != score.worst
        assert value > 0


def test_kappa_of_equal_images_is_infinite(space, digits):
    score = SCORES.get("ntk-condition")(images=8)
    probe = Probe(space, space.sample(generator(0)), digits)
    images, _ = probe.images(8)
    images[:] = images[0]
    assert score(probe) == score.worst == math.inf


def test_size_scores_are_the_costs(space, digits):
    architecture = space.from_index(13714)
    values = evaluate([SCORES.get("params")(), SCORES.get("flops")()], space, architecture, digits)
    network = space.build(architecture, in_channels=1)
    assert values["params"] == [sum(p.numel() for p in network.parameters())]
    assert values["flops"][0] > 0
