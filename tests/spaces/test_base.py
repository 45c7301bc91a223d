"""What all spaces share, beyond the conformance checks."""

import dataclasses

import pytest
import torch
from torch import nn

from nascence.errors import ArchitectureError, NascenceError, SettingError, UnknownNameError
from nascence.seeding import generator
from nascence.spaces import SPACES, Choice, NetworkConfig, Space, get_space, plain_size
from nascence.tasks.base import Signature
from nascence.testing import toy_space


def test_the_names_are_known():
    assert {"nas-bench-201", "darts"} <= set(SPACES.names())
    for name in SPACES.names():
        space = get_space(name)
        assert isinstance(space, Space)
        assert space.name == name
        assert get_space(name) is space, "made once"


def test_unknown_space():
    with pytest.raises(UnknownNameError, match=r"Unknown space 'dart'\. Did you mean 'darts'\?"):
        get_space("dart")


def test_network_config_is_a_keyword_only_value():
    config = NetworkConfig(channels=16, depth=5)
    assert config == dataclasses.replace(config)
    assert len({config, dataclasses.replace(config, depth=4)}) == 2
    with pytest.raises(TypeError):
        NetworkConfig(16)


def test_a_named_size_and_its_config_build_the_same_network():
    space = get_space("nas-bench-201")
    architecture = space.from_index(9930)
    named = space.build(architecture, network="score")
    given = space.build(architecture, network=space.networks["score"])
    assert all(torch.equal(a, b) for a, b in zip(named.parameters(), given.parameters(), strict=True))


def test_initialisation_reaches_the_weights():
    space = get_space("nas-bench-201")
    network = space.build(space.from_index(1462), network="search", initialisation="standard-normal")
    assert network.stem[0].weight.std().item() == pytest.approx(1, abs=0.1)
    assert network.classifier.bias.eq(0).all()
    with pytest.raises(UnknownNameError, match="initialisation"):
        space.build(space.from_index(0), network="score", initialisation="he")


def test_weights_do_not_depend_on_the_global_generator():
    space = toy_space()
    architecture = space.parse("nor_conv_3x3,skip_connect,nor_conv_1x1")
    torch.manual_seed(1)
    one = space.build(architecture)
    torch.manual_seed(2)
    two = space.build(architecture)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_errors_name_the_choice_and_its_options():
    space = toy_space()
    with pytest.raises(ArchitectureError, match=r"^toy asks 3 choices, got 2 answers\.$"):
        space.architecture(["none", "none"])
    with pytest.raises(
        ArchitectureError, match=r"'conv' is no option of toy's choice '2<-0'; options: none, skip_conn"
    ):
        space.architecture(["none", "conv", "none"])


def test_enumeration_is_lexicographic_with_the_last_choice_fastest():
    texts = [str(architecture) for architecture in toy_space().enumerate()]
    assert texts[:5] == [
        "none,none,none",
        "none,none,skip_connect",
        "none,none,nor_conv_1x1",
        "none,none,nor_conv_3x3",
        "none,skip_connect,none",
    ]
    assert texts[-1] == "nor_conv_3x3,nor_conv_3x3,nor_conv_3x3"


def test_too_large_to_enumerate():
    with pytest.raises(NascenceError, match="too many to enumerate; sample instead"):
        next(get_space("darts").enumerate())


class Lopsided(Space):
    """One choice is no choice at all."""

    name = "lopsided"
    choices = (Choice("fixed", ("a",)), Choice("free", ("a", "b")))
    networks = {}

    def format(self, architecture):
        raise NotImplementedError

    def parse(self, text):
        raise NotImplementedError

    def assemble(self, architecture, network, signature):
        raise NotImplementedError


def test_mutation_never_picks_a_choice_of_one_option():
    space, draws = Lopsided(), generator(0)
    one, other = space.architecture(["a", "a"]), space.architecture(["a", "b"])
    assert {space.mutate(one, draws) for _ in range(20)} == {other}
    assert list(space.neighbours(other)) == [one]
    assert space.canonical(one) == one
    assert space.index(one) is None
    assert space.size == 2


class Scale(Lopsided):
    name = "scale"
    choices = (Choice("width", tuple("12345"), ordered=True), Choice("kind", tuple("abcde")), Choice("only", ("x",)))


def test_mutation_of_an_ordered_choice_mostly_goes_a_step():
    space, draws = Scale(), generator(0)
    middle = space.architecture(["3", "a", "x"])
    mutants = [space.mutate(middle, draws) for _ in range(2000)]
    widths = [one.answers[0] for one in mutants if one.answers[0] != "3"]
    beside = sum(width in "24" for width in widths) / len(widths)
    assert 0.8 < beside < 0.9, "0.7 steps, and half of the other 0.3"
    kinds = [one.answers[1] for one in mutants if one.answers[1] != "a"]
    assert all(0.2 < kinds.count(kind) / len(kinds) < 0.3 for kind in "bcde")
    end = space.architecture(["1", "a", "x"])
    steps = {space.mutate(end, draws).answers[0] for _ in range(300)}
    assert steps == set("12345")


def test_mutation_at_a_rate():
    space, draws = Scale(), generator(0)
    one = space.architecture(["3", "a", "x"])
    changed = [
        sum(a != b for a, b in zip(one.answers, space.mutate(one, draws, 0.5).answers, strict=True))
        for _ in range(2000)
    ]
    assert [0.2 < changed.count(count) / 2000 < 0.6 for count in range(3)] == [True] * 3
    assert space.mutate(one, draws, 0.0) == one
    assert all(a != b for a, b in zip(one.answers[:2], space.mutate(one, draws, 1.0).answers[:2], strict=True))


def test_a_size_is_changed_where_it_has_the_field():
    space = get_space("nas-bench-201")
    size = space.networks["evaluation"]
    assert space.resized(size, channels=8, depth=None) == dataclasses.replace(size, channels=8)
    with pytest.raises(SettingError, match=r"Networks of nas-bench-201 have no hidden to set; .*channels, depth"):
        space.resized(size, hidden=8)
    with_head = dataclasses.replace(size, auxiliary=True)
    assert plain_size(with_head) == size
    assert plain_size(size) is size


def test_networks_are_built_for_a_signature():
    space = get_space("nas-bench-201")
    one = space.from_index(0)
    small = NetworkConfig(channels=2, depth=1)
    same = [
        space.build(one, network=small, signature=Signature.images((1, 8, 8), 3)),
        space.build(one, network=small, in_channels=1, num_classes=3),
    ]
    assert all(torch.equal(a, b) for a, b in zip(same[0].parameters(), same[1].parameters(), strict=True))


class Raw(nn.Module):
    """Parameters that nobody's ``reset_parameters`` knows."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))
        self.attention = nn.MultiheadAttention(4, 2)
        self.register_buffer("code", torch.rand(3))


@pytest.mark.parametrize(
    "make", [lambda: nn.ConvTranspose2d(2, 3, 3), lambda: nn.LSTM(3, 4), Raw], ids=["T", "R", "own"]
)
def test_a_seed_reaches_every_weight_wherever_the_global_generator_is(monkeypatch, make):
    space = toy_space()
    monkeypatch.setattr(type(space), "assemble", lambda self, *given: nn.Sequential(make(), nn.BatchNorm2d(3)))
    architecture = space.sample(generator(0))
    states = []
    for seed in (3, 3, 4):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(len(states))
            before = torch.get_rng_state()
            states.append(space.build(architecture, network=NetworkConfig(channels=4, depth=1), seed=seed).state_dict())
            assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    one, same, other = states
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    drawn = [name for name, value in one.items() if len(value.unique()) > 1] if make is Raw else list(one)[:1]
    assert drawn
    assert all(not torch.equal(one[name], other[name]) for name in drawn)
