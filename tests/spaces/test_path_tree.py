"""The spaces of paths: the published architectures to the digit, and supernets that are every network."""

import pytest
import torch

from nascence.costs.counting import flops, params
from nascence.costs.terms import Terms
from nascence.errors import ArchitectureError, SettingError
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.path_tree import PUBLISHED, PathTreeSize, scaled_widths
from nascence.tasks.base import Signature

COUNTS = {"A-1": 335_427, "A-2": 665_987, "B-1": 234_192, "B-2": 509_072, "B-3": 264_496}
SPACES = [("path-tree-small", 16, 2), ("path-tree", 8, 2), ("path-tree-features", 8, 4)]


def signature(scale, channels=1):
    return Signature("images", channels, channels, (8, 8), dense=True, scale=scale)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures_to_the_digit(name):
    space, text = PUBLISHED[name]
    space = get_space(space)
    architecture = space.parse(name)
    assert space.format(architecture) == text
    network = space.build(architecture, network="evaluation", signature=signature(4, 3))
    assert params(network) == COUNTS[name]
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 6, 7)).shape == (1, 3, 24, 28)


def test_published_multiply_adds():
    """Of one 256 x 256 picture, in G: convolutions alone."""
    space = get_space("path-tree")
    network = space.build(space.parse("B-1"), network="evaluation", signature=signature(4, 3))
    assert flops(network, (3, 16, 16)) / 2 * 256 / 1e9 == pytest.approx(15.3, abs=0.05)


def test_widths():
    assert scaled_widths(64) == [24, 32, 40, 56, 64]
    assert scaled_widths(16) == [6, 8, 10, 14, 16]


@pytest.mark.parametrize(("name", "channels", "scale"), SPACES)
def test_the_supernet_is_every_network_at_its_exact_cost(name, channels, scale):
    space, size = get_space(name), PathTreeSize(channels=channels)
    supernet = space.supernet(size, signature(scale), seed=1)
    draws, terms = generator(0, "paths"), Terms(space, space.cost_terms(size, signature(scale)))
    for _ in range(6):
        architecture = space.sample(draws)
        assert space.parse(space.format(architecture)) == architecture
        network = space.build(architecture, network=size, signature=signature(scale))
        network.load_state_dict(space.inherited(supernet, architecture, network))
        x_BCHW, one_hot = torch.rand(1, 1, 6, 5, generator=draws), space.one_hot(architecture)
        with torch.no_grad():
            torch.testing.assert_close(supernet(x_BCHW, weights=one_hot), network(x_BCHW))
        assert float(supernet.expected("params", one_hot)) == params(network)
        assert float(supernet.expected("flops", one_hot)) == flops(network, (1, 8, 8))
        assert terms.cost("params", architecture) == params(network)
        assert terms.cost("flops", architecture) == flops(network, (1, 8, 8))


def test_soft_widths_are_means_over_networks():
    space, size = get_space("path-tree-small"), PathTreeSize(channels=8)
    supernet = space.supernet(size, signature(2))
    architecture = space.parse("0|131|42")
    weights = space.one_hot(architecture)
    x_BCHW = torch.rand(1, 1, 5, 5, generator=generator(0, "x"))
    outputs = []
    with torch.no_grad():
        for width in range(5):
            hard = {name: value.clone() for name, value in weights.items()}
            hard["widths"][1] = torch.nn.functional.one_hot(torch.tensor(width), 5).float()
            outputs.append(supernet(x_BCHW, weights=hard))
        soft = {name: value.clone() for name, value in weights.items()}
        soft["widths"][1] = torch.full((5,), 0.2)
        mixed = supernet(x_BCHW, weights=soft)
    before_tanh = [(2 * output.double() - 1).atanh() for output in (*outputs, mixed)]
    torch.testing.assert_close(before_tanh[-1], torch.stack(before_tanh[:-1]).mean(0), rtol=1e-3, atol=1e-5)
    assert not torch.allclose(mixed, outputs[0], atol=1e-6)


@pytest.mark.parametrize(("name", "scale"), [("path-tree-small", 2), ("path-tree-small", 1), ("path-tree-features", 4)])
def test_a_residual_network_adds_to_the_enlarged_picture(name, scale):
    space, size = get_space(name), PathTreeSize(channels=8, residual=True)
    network = space.build(space.sample(generator(0, "residual")), network=size, signature=signature(scale))
    with torch.no_grad():
        for weight in network.tail.parameters():
            weight.zero_()
    x_BCHW = torch.rand(1, 1, 4, 5, generator=generator(0, "x"))
    enlarged = torch.nn.functional.interpolate(x_BCHW, scale_factor=float(scale), mode="bilinear")
    with torch.no_grad():
        torch.testing.assert_close(network(x_BCHW), enlarged)
    assert set(get_space("path-tree-small").networks.values()) == {PathTreeSize(channels=16, residual=True)}
    assert not any(size.residual for size in get_space("path-tree").networks.values()), "as published"


def test_seeds_reach_every_weight():
    space, size = get_space("path-tree-small"), PathTreeSize(channels=8)
    one, same, other = (space.supernet(size, signature(2), seed=seed).state_dict() for seed in (1, 1, 2))
    names = [name for name, value in one.items() if value.is_floating_point()]
    assert all(torch.equal(one[name], same[name]) for name in names)
    assert all(not torch.equal(one[name], other[name]) for name in names if "weight" in name)


def test_canonical_architectures_and_texts():
    space = get_space("path-tree-small")
    draws = generator(1, "canonical")
    for _ in range(20):
        architecture = space.sample(draws)
        canonical = space.canonical(architecture)
        assert space.canonical(canonical) == canonical
        assert len(space.format(canonical)) <= len(space.format(architecture))
        assert space.parse(space.format(canonical)) == canonical
        networks = [space.build(a, network="search-small", signature=signature(2)) for a in (architecture, canonical)]
        assert params(networks[0]) == params(networks[1])


@pytest.mark.parametrize(
    "text", ["", "0,0", "0,1|111|00", "0|111|0", "0|114|00", "0|111|05", "0|111,111|00", "0,0,0,0|111|00", "B-9", "B-1"]
)
def test_bad_texts_are_refused(text):
    with pytest.raises(ArchitectureError):
        get_space("path-tree-small").parse(text)


def test_scores_of_the_cells_along_the_best_path():
    space = get_space("path-tree")
    architecture = space.canonical(space.parse("B-2"))
    scores = space.choice_scores(space.one_hot(architecture))
    answers = [choice.options[int(scores[choice.name].argmax())] for choice in space.choices]
    assert space.architecture(answers) == architecture


def test_scores_go_on_beyond_the_best_path():
    space = get_space("path-tree-small")
    scores = {group.name: torch.zeros(group.shape) for group in space.groups}
    scores["paths"][0] = torch.tensor([3.0, 1.0, 2.0])
    scores["operations"][4, 2] = 1.0
    found = space.choice_scores(scores)
    assert found["path"].argmax() == 0
    assert found["cell2/operation2"].argmax() == 2, "in case there is a budget for a longer one"


def test_other_tasks_and_sizes_are_refused():
    with pytest.raises(SettingError, match="multiple of 8"):
        PathTreeSize(channels=12)
    for name, wrong in (("path-tree", Signature("images", 3, 10, (8, 8))), ("path-tree-features", signature(2))):
        with pytest.raises(SettingError):
            get_space(name).supernet(PathTreeSize(channels=8), wrong)
