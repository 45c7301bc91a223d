"""Scores on graphs and pictures: numbers where a loss is enough, a sentence where it is not."""

import math

import pytest

from nascence.errors import SettingError
from nascence.scores import AGGREGATES, SCORES, Probe, evaluate
from nascence.scores.applying import applies, check, lacking, readable
from nascence.scores.base import check_size, kernels, undropped
from nascence.spaces import get_space
from nascence.spaces.sane import GraphSize
from nascence.tasks import load_task
from nascence.testing import toy_space
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

LOSS = {
    *("fisher", "flops", "grad-norm", "grasp", "l2-norm", "nascence-layers", "ntk-trace", "params", "plain", "snip"),
    *("synflow", "trainable-layers"),
}
"""What needs no more than a network and a loss."""
EXAMPLES = {"jacob-cov", "naswot", "zico"}
"""What needs separate examples."""


def of_graphs():
    return toy_graph_space(), toy_graph_task()


def of_pictures():
    return toy_denoiser_space(), ToyDenoising.make()


OTHER = {"graphs": (of_graphs, LOSS), "pictures": (of_pictures, LOSS | EXAMPLES)}


@pytest.mark.parametrize("kind", OTHER)
def test_what_applies(kind):
    make, expected = OTHER[kind]
    space, task = make()
    assert {name for name in SCORES.names() if applies(SCORES.get(name), task.signature)} == expected
    for name in SCORES.names():
        if name in expected:
            check(SCORES.get(name)(), space, task)
            continue
        with pytest.raises(SettingError) as refused:
            check(SCORES.get(name)(), space, task)
        text = str(refused.value)
        assert text.startswith(f"The score {name} works on ")
        assert SCORES.get(name).because in text
        assert all(one in text for one in expected)


def test_all_apply_to_images_with_classes():
    task = load_task("digits")
    for name in SCORES.names():
        check(SCORES.get(name)(), get_space("nas-bench-201"), task)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in OTHER for name in sorted(OTHER[kind][1])])
def test_values(kind, name):
    """The same again, finite, other ones for other architectures."""
    space, task = OTHER[kind][0]()
    score = SCORES.get(name)()
    found = []
    everything = list(space.enumerate())
    for one in (everything[0], everything[-1]):
        values = evaluate([score], space, one, task, seed=1)[name]
        assert values == evaluate([score], space, one, task, seed=1)[name]
        found += values
    assert all(map(math.isfinite, found))
    assert len(set(found)) > 1


def test_the_layers_of_other_libraries_count():
    """Graph layers have matrices and vectors of attention of their own: all are looked at, each once."""
    space = get_space("sane-1")
    probe = Probe(space, space.parse("gat||l_concat"), toy_graph_task())
    network = probe.network("ranking")
    assert {id(p) for p in kernels(network)} == {id(p) for p in network.parameters() if p.dim() > 1}
    assert len(kernels(network)) > 3
    assert probe.size("ranking").dropout == 0 < space.networks["ranking"].dropout
    value = SCORES.get("snip")()(probe)
    assert value == SCORES.get("snip")()(Probe(space, probe.architecture, probe.task)) > 0, "nothing is dropped"


def test_sizes_without_dropout():
    size = undropped(GraphSize(channels=16, heads=4))
    assert (size.channels, size.heads) == (16, 4)
    assert size.dropout == size.output_dropout == size.attention_dropout == 0
    plain = toy_space().networks["evaluation"]
    assert undropped(plain) is plain


def test_a_size_that_a_space_has_not():
    space = get_space("path-tree-small")
    with pytest.raises(
        SettingError, match=r"path-tree-small has no network size 'ranking-deep' .* --network search-sma"
    ):
        check_size(space, "ranking-deep")
    check_size(space, "search-small")


def test_the_parts_of_a_ranking():
    kept = AGGREGATES.get("nascence").of(lambda name: name in LOSS)
    assert [part.score for part in kept.parts] == ["nascence-layers", "flops"]
    assert [part.weight for part in kept.deciding] == [6, 1]
    assert kept({"nascence-layers": [1.0, 2.0], "flops": [1.0, 2.0]})[1] == 0, "the best in both"


def test_what_can_be_read_of_networks():
    images = load_task("digits").signature
    assert readable(toy_space(), images) == {"output", "blocks", "relus"}, "the first options have no ReLU"
    assert readable(get_space("nas-bench-201"), images) == {"output", "blocks", "relus", "regions"}
    space = get_space("h-das-stages")
    has = readable(space, images)
    assert "blocks" not in has
    assert lacking(SCORES.get("flops"), space, has) is None
    assert "reads features after every block" in lacking(SCORES.get("az-expressivity"), space, has)
    with pytest.raises(SettingError, match=r"no `blocks` or `cells`\.$"):
        check(SCORES.get("nascence-expressivity")(), space, load_task("digits"))
    with pytest.raises(SettingError, match=r"toy\S* has none\.$"):
        check(SCORES.get("linear-regions")(), toy_space(), load_task("digits"))
