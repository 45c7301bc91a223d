import pytest
from torch import nn

from nascence.benchmarks.baselines import baselines, by_parts, trainable_layers
from nascence.benchmarks.selections import Selection
from nascence.costs import flops, params
from nascence.spaces import get_space
from nascence.tasks.base import Signature
from nascence.testing import toy_space

SPACES = ["nas-bench-201", "nas-bench-macro", "toy"]


@pytest.mark.parametrize("name", SPACES)
def test_they_are_those_of_the_built_networks(name):
    toy_space()
    space = get_space(name)
    architectures = Selection.sample(space, 2, 0).architectures
    found = baselines(space, architectures, signature=Signature.images((1, 16, 16), 3))
    assert list(found) == ["params", "flops", "trainable-layers"]
    for at, architecture in enumerate(architectures):
        network = space.build(architecture, in_channels=1, num_classes=3)
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert found["params"][at] == params(network)
        assert found["flops"][at] == flops(network, (1, 16, 16))
        assert found["trainable-layers"][at] == len(layers)


def test_only_what_is_asked_for():
    space = toy_space()
    assert list(baselines(space, list(space.enumerate())[:2], ["flops"])) == ["flops"]
    assert baselines(space, [], ["flops"])["flops"].shape == (0,)


def weight(architecture, order):
    """A sum over sets of ``order`` answers, or fewer."""
    places = [toy_space().choices[at].options.index(name) for at, name in enumerate(architecture.answers)]
    return float(
        7 + sum(places) + (order > 1) * places[0] * places[2] + (order > 2) * places[0] * places[1] * places[2]
    )


@pytest.mark.parametrize(("order", "most"), [(1, 1 + 9 + 8), (2, 1 + 9 + 27 + 8), (3, 64)])
def test_sums_over_answers_and_pairs_need_few_measurements(order, most):
    """All 64 architectures from the base, the parts and the checks; what is no such sum is measured whole."""
    measured = []

    def measure(architecture):
        measured.append(architecture)
        return weight(architecture, order)

    architectures = list(toy_space().enumerate())
    found = by_parts(toy_space(), measure, architectures)
    assert found.tolist() == [weight(architecture, order) for architecture in architectures]
    assert len(measured) == len(set(measured)) <= most


def test_few_architectures_are_measured_themselves():
    measured = []
    architectures = list(toy_space().enumerate())[:3]
    by_parts(toy_space(), lambda architecture: measured.append(architecture) or 1.0, architectures)
    assert measured == architectures


def test_layers_alone():
    space = get_space("nas-bench-201")
    cell = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_1x1~2|")
    # 15 cells of 2, the stem, 2 reductions of 3, the classifier
    assert trainable_layers(space, [cell]).tolist() == [15 * 2 + 1 + 2 * 3 + 1]
