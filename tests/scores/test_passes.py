"""Sharing, degenerate networks, all spaces: what holds for every score."""

import gc
import math
import weakref

import pytest
import torch

from nascence.errors import NascenceError, SettingError
from nascence.scores import SCORES, Probe, evaluate, passes
from nascence.scores.passes import TrainingPass, blocks_of, training_pass
from nascence.spaces import SPACES, get_space
from nascence.supernets.cells.fused import BoxAverage

NEW = [
    name for name in SCORES.names() if name not in ("ntk-condition", "linear-regions", "ntk-trace", "params", "flops")
]
STRUCTURAL = {"l2-norm", "trainable-layers"}
"""Which look at what there is, connected or not."""
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def small(name):
    kind = SCORES.get(name)
    images = {
        "images": 16 if name in ("swap", "nascence-patterns") else 4
    }  # four images have 16 patterns only: every network shows them all
    return kind(**{key: value for key, value in images.items() if key in kind.__dataclass_fields__})


def cell(*operations):
    return get_space("nas-bench-201").architecture(operations)


NO_PATH = [cell(*["none"] * 6), cell("none", "nor_conv_3x3", "none", "none", "nor_conv_3x3", "none")]


@pytest.mark.parametrize("name", NEW)
def test_a_network_without_a_path_is_worst(name, task):
    score = small(name)
    for architecture in NO_PATH:
        value = score(Probe(get_space("nas-bench-201"), architecture, task))
        if name in STRUCTURAL:
            assert value > score.worst
        else:
            assert value == score.worst == -math.inf


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("operation", ["skip_connect", "avg_pool_3x3", "nor_conv_1x1"])
def test_uniform_cells_have_a_value(name, operation, task):
    value = small(name)(Probe(get_space("nas-bench-201"), cell(*[operation] * 6), task))
    assert math.isfinite(value)


PLAIN = [n for n in SPACES.names() if n[:3] != "toy" and n[:4] != "sane" and "ranking-deep" in get_space(n).networks]
"""Spaces of images whose networks every score can look at; the gates of mobile blocks have no second derivative."""


@pytest.mark.parametrize("space", [name for name in PLAIN if not name.startswith("fbnetv2")])
def test_every_score_on_every_space(space, task):
    space = get_space(space)
    architecture = space.sample(torch.Generator().manual_seed(2))
    probe = Probe(space, architecture, task)
    for name in NEW:
        value = small(name)(probe)
        assert not math.isnan(value), name
        assert math.isfinite(value) or name == "az-trainability", name


@pytest.mark.parametrize("space", ["fbnetv2", "path-tree-small", "unfold-dense"])
def test_on_other_spaces_a_score_is_a_number_or_refuses_in_a_sentence(space, task):
    """Of mobile blocks with hard sigmoids, and of pictures, whose spaces have no sizes for ranking."""
    space = get_space(space)
    probe = Probe(space, space.sample(torch.Generator().manual_seed(2)), task)
    refused = {}
    for name in NEW:
        try:
            assert not math.isnan(small(name)(probe)), name
        except NascenceError as error:
            refused[name] = str(error)
    if space.name == "fbnetv2":
        assert set(refused) == {"grasp"}
        assert "second derivatives" in refused["grasp"]
    else:
        assert len(refused) > len(NEW) // 2
    assert all(text.endswith(".") and "\n" not in text for text in refused.values())


@pytest.fixture(scope="module")
def in_company(task):
    """Every score's value twice from one probe: after all others in order, and after all others in reverse."""
    space = get_space("nas-bench-201")
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    values = {}
    for order in (NEW, NEW[::-1]):
        probe = Probe(space, space.parse(CELL), task, seed=1)
        for name in order:
            values.setdefault(name, []).append(small(name)(probe))
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator is left alone"
    return values


@pytest.mark.parametrize("name", NEW)
def test_a_value_is_the_draws_whoever_else_asks(name, task, in_company):
    """The same alone and in company, in any order; another at another draw."""
    score, space = small(name), get_space("nas-bench-201")
    alone = score(Probe(space, space.parse(CELL), task, seed=1))
    assert in_company[name] == [alone, alone]
    if score.random:
        assert score(Probe(space, space.parse(CELL), task, seed=1, draw=1)) != alone


def test_scores_of_one_pass_share_it(probe, monkeypatch):
    made = []
    original = TrainingPass.__init__

    def count(self, *arguments):
        made.append(type(self))
        original(self, *arguments)

    monkeypatch.setattr(TrainingPass, "__init__", count)
    for name in ["grad-norm", "snip", "plain", "grasp", "fisher", "jacob-cov"]:
        small(name)(probe)
    assert len(made) == 1
    small("zico")(probe)
    assert len(made) == 2, "one more batch"
    for name in ["az-expressivity", "az-progressivity", "az-trainability", "intrain"]:
        small(name)(probe)
    assert len(made) == 3, "one on noise"
    SCORES.get("naswot")(network="ranking-deep", images=4)(probe)
    assert len(made) == 3, "asked for the same network and batch, it takes the same pass"


def test_nothing_outlives_the_probe(task, probe):
    gc.disable()
    try:
        fresh = Probe(probe.space, probe.architecture, task)
        for name in NEW:
            small(name)(fresh)
        run = training_pass(fresh, "ranking", "kaiming-fan-in", 4)
        left = [weakref.ref(run), weakref.ref(run.output), weakref.ref(run.network)]
        del run, fresh
        assert [ref() for ref in left] == [None] * 3, "freed by counting references, without cycles"
    finally:
        gc.enable()


def test_gradients_are_the_networks(probe, reference):
    run = training_pass(probe, "ranking", "kaiming-fan-in", 5)
    network = reference(probe)
    images, labels = probe.images(5)
    torch.nn.functional.cross_entropy(network(images.double()), labels).backward()
    for (name, own), other in zip(run.network.named_parameters(), network.parameters(), strict=True):
        scale = float(other.grad.abs().max()) + 1e-6
        assert float((run.gradients[own] - other.grad).abs().max()) < 1e-3 * scale + 1e-6, name
    assert any(isinstance(module, BoxAverage) for module in run.network.modules())


def test_dead_branches_take_no_part(task):
    """A convolution into a node that nothing reads has no gradient, and no say."""
    space = get_space("nas-bench-201")
    live = cell("none", "none", "none", "nor_conv_3x3", "none", "none")
    dead = cell("nor_conv_3x3", "none", "none", "nor_conv_3x3", "none", "none")
    runs = [training_pass(Probe(space, a, task), "ranking", "kaiming-fan-in", 4) for a in (live, dead)]
    assert len(runs[1].layers) == len(runs[0].layers) + 3
    assert len(runs[1].weights) == len(runs[0].weights)


def test_blocks_have_names():
    named = get_space("nas-bench-201").build(cell(*["skip_connect"] * 6), network="ranking")
    assert blocks_of(named) == [named.stem, *named.blocks]
    assert len(blocks_of(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.ReLU()))) == 2
    assert blocks_of(torch.nn.ReLU()) == []


def test_a_space_without_named_blocks_is_refused(probe, monkeypatch):
    monkeypatch.setattr(passes, "blocks_of", lambda network: [])
    with pytest.raises(SettingError, match="az-expressivity reads features after every block"):
        small("az-expressivity")(probe)


def test_unknown_size_is_refused(probe):
    with pytest.raises(ValueError, match=r"no network size 'huge' for scores .* --network ranking"):
        SCORES.get("snip")(network="huge", images=4)(probe)


def test_evaluate_returns_one_value_a_draw(probe):
    values = evaluate([small("snip"), small("zico")], probe.space, probe.architecture, probe.task, draws=2)
    assert {name: len(set(column)) for name, column in values.items()} == {"snip": 2, "zico": 2}
