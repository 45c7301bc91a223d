"""The recipes: which relaxation, objectives, stages and descent each method puts together."""

from dataclasses import replace

import pytest
import torch

from nascence.costs import Budget
from nascence.declaring import flat
from nascence.errors import DataError, NascenceError, SettingError, UnknownNameError
from nascence.methods import METHODS, Problem
from nascence.methods.beta_darts import BetaDARTS
from nascence.methods.darts import DARTS
from nascence.methods.drnas import DrNAS
from nascence.methods.gdas import GDAS
from nascence.methods.gradient import GradientMethod
from nascence.methods.pc_darts import PCDARTS
from nascence.relaxations import Dirichlet, EdgeNormalised, GumbelSoftmax, Softmax
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.descent.stages import timetable
from nascence.tasks import load_task
from nascence.testing import toy_space, toy_widths
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

FAMILY = [
    name
    for name in METHODS.names()
    if issubclass(METHODS.get(name), GradientMethod)
    and METHODS.get(name).completed is GradientMethod.completed
    and METHODS.get(name).arranged is GradientMethod.arranged
    and "laptop-darts" in METHODS.get(name).PRESETS
]
"""Those that end with their descent, on any space."""
SMALL = {"batch_size": 8, "train_images": 16, "valid_images": 16, "check_images": 8}
TOY = {**SMALL, "epochs": 2, "channels": 4, "depth": 1}


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def problem(space, task, seed=0):
    network = NetworkConfig(channels=4)
    shape = (task.in_channels, *task.image_size)
    return Problem(space, task, network, Budget().bind(space, network, input_shape=shape, threads=1), seed)


def strategy(method, task, space=None, seed=0):
    return method.strategy(problem(space or toy_space(), task, seed))


def finish(search):
    events = []
    while not search.done:
        events.append(search.advance())
    return events


class TestThePapersSettings:
    def test_darts(self):
        m = flat(DARTS())
        assert (m["epochs"], m["batch_size"], m["learning_rate"], m["final_learning_rate"]) == (50, 64, 0.025, 0.001)
        assert (m["momentum"], m["weight_decay"], m["clip_norm"], m["nesterov"]) == (0.9, 3e-4, 5, False)
        assert (m["architecture_learning_rate"], m["architecture_betas"]) == (3e-4, (0.5, 0.999))
        assert m["architecture_weight_decay"] == 1e-3
        assert (m["order"], m["first"], m["all_operations"]) == (1, "architecture", True)

    def test_gdas(self):
        m = GDAS()
        assert (m.epochs, m.data.batch_size, m.architecture.first) == (250, 64, "weights")
        assert (m.weights.weight_decay, m.weights.nesterov) == (5e-4, True)
        made = m.relaxation(toy_space(), toy_space().operations, 0)
        temperatures = []
        for epoch in timetable(m.make_stages())[::249]:
            made.begin(epoch.moment)
            temperatures.append(made.temperature)
        assert temperatures == pytest.approx([10, 0.1])

    def test_pc_darts(self):
        m = PCDARTS()
        assert (m.epochs, m.data.batch_size) == (50, 256)
        assert (m.weights.learning_rate, m.weights.final_learning_rate) == (0.1, 0)
        assert (m.architecture.learning_rate, m.warmup_epochs, m.network.partial_channels) == (6e-4, 15, 4)
        assert m.edge_normalisation

    def test_drnas(self):
        m = DrNAS()
        assert (m.epochs, m.data.batch_size, m.warmup_epochs, m.network.partial_channels) == (100, 64, 0, 1)
        assert (m.architecture.weight_decay, m.kl_anchor) == (1e-3, 0), "the l2 form, as released"
        _, progressive = DrNAS.preset("paper-darts")
        stages = DrNAS(**{**progressive, "stages": tuple(progressive["stages"])}).make_stages()
        assert [(s.epochs, s.keep, s.partial, s.warmup) for s in stages] == [(25, 7, 6, 10), (25, 4, 4, 10)]

    def test_beta_darts(self):
        m = BetaDARTS()
        assert (m.epochs, m.warmup_epochs) == (100, 0)
        (term,) = [each for each in m.objectives() if each.name == "beta_decay"]
        epochs = timetable(m.make_stages())
        assert [term.schedule(epochs[at].moment) for at in (0, 50, 99)] == [0, 25, 49.5]


def test_each_method_has_its_relaxation(digits):
    kinds = {"darts": Softmax, "gdas": GumbelSoftmax, "pc-darts": EdgeNormalised, "drnas": Dirichlet}
    for name, kind in {**kinds, "beta-darts": Softmax}.items():
        made = strategy(METHODS.get(name)(**{**TOY, "warmup_epochs": 0}), digits)
        assert type(made.relaxation) is kind
        assert made.supernet.network[1].partial == (4 if name == "pc-darts" else 1)


def test_limits_reduce_one_method_to_another(digits):
    """beta-DARTS with weight 0 is DARTS; PC-DARTS with K = 1 and no edge normalisation is DARTS: step by step."""
    plain = finish(strategy(DARTS(**TOY), digits))
    assert finish(strategy(BetaDARTS(**TOY, beta_decay=0.0, all_operations=True), digits)) == plain
    names = ("learning_rate", "final_learning_rate", "warmup_epochs", "architecture_learning_rate")
    same = {name: flat(DARTS())[name] for name in names}
    pc = PCDARTS(**{**TOY, **same}, partial_channels=1, edge_normalisation=False)
    assert finish(strategy(pc, digits)) == plain
    assert finish(strategy(DARTS(**TOY, beta_decay=1.0), digits)) != plain


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(
    "switch", [{"partial_channels": 2}, {"beta_decay": 5.0}, {"edge_normalisation": True}, {"order": 2}]
)
def test_switches_work_on_any_method(name, switch, digits):
    settings = {**TOY, "epochs": 4 if name == "dots" else 1, "warmup_epochs": 0, **switch}
    if switch.get("edge_normalisation") and name in ("dots", "explicit-topology"):
        with pytest.raises(SettingError, match=f"{name} learns the edges itself"):
            METHODS.get(name)(**settings)
        return
    method = METHODS.get(name)(**settings)
    search = strategy(method, digits)
    before = {key: value.detach().clone() for key, value in search.relaxation.parameters.items()}
    finish(search)
    assert toy_space().architecture(search.derive().answers)
    after = search.relaxation.parameters
    assert any(key not in after or not torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("name", FAMILY)
class TestPresets:
    def test_paper_is_the_defaults_and_laptop_is_the_default_preset(self, name):
        method = METHODS.get(name)
        assert method.preset("paper") == ("paper", {})
        assert method.preset()[0] == "laptop"
        assert method.preset(None, get_space("nas-bench-201").preset_form)[0] == "laptop"
        assert method.preset("laptop", get_space("darts").preset_form) == (
            "laptop-darts",
            method.PRESETS["laptop-darts"],
        )
        own = "paper-darts" if "paper-darts" in method.PRESETS else "paper"
        assert method.preset("paper", "darts")[0] == own

    def test_every_preset_fits(self, name):
        from nascence.configuration import settings

        method = METHODS.get(name)
        for preset in method.PRESETS:
            made = settings(method, (), {}, method.preset(preset)[1])
            assert made.make_stages()
            changed = [key for key, value in method.PRESETS[preset].items() if value == flat(method())[key]]
            if not preset.startswith("laptop"):
                assert not changed, "a preset says what differs"

    def test_the_laptops_supernet_is_small_on_every_space(self, name):
        from nascence.configuration import settings

        method = settings(METHODS.get(name), (), {}, METHODS.get(name).preset()[1])
        for space in ("nas-bench-201", "darts"):
            small, whole = get_space(space).networks[method.network.size], get_space(space).networks["search"]
            assert small.channels < whole.channels
            assert small.depth < whole.depth

    def test_an_unknown_one_is_refused(self, name):
        with pytest.raises(UnknownNameError, match="paper"):
            METHODS.get(name).preset("papr")


def test_a_method_without_presets():
    random = METHODS.get("random")
    assert random.preset() == (None, {})
    with pytest.raises(SettingError, match="has no presets"):
        random.preset("laptop")


class TestBadInput:
    def test_a_space_without_cells(self, digits):
        with pytest.raises(SettingError, match="trains a supernet of cells"):
            strategy(DARTS(**TOY), digits, get_space("nas-bench-macro"))

    def test_a_batch_larger_than_a_half(self, digits):
        with pytest.raises(DataError, match="batch of 500 is larger than"):
            strategy(DARTS(**{**TOY, "batch_size": 500, "train_images": 400}), digits)

    @pytest.mark.parametrize("stages", [("1:3:1", "1:2:1"), ("1:5:1", "1:2:1")])
    def test_a_first_stage_that_does_not_fit_the_space(self, stages, digits):
        with pytest.raises(SettingError, match="expected 1:4:1 as the first"):
            strategy(DrNAS(**TOY, stages=stages), digits)

    def test_stages_that_do_not_add_up(self):
        with pytest.raises(SettingError, match="take 4 epochs in all, but epochs is 100"):
            DrNAS(stages=("2:5:1", "2:3:1"))
        with pytest.raises(SettingError, match="partial_channels at 1"):
            DrNAS(epochs=4, stages=("2:5:4", "2:3:2"), partial_channels=4)

    def test_channels_that_stages_cannot_divide(self, digits):
        with pytest.raises(SettingError, match="cannot send 1/3"):
            strategy(DrNAS(**TOY, stages=("1:4:3", "1:2:1")), digits)

    def test_a_warm_up_longer_than_the_search(self):
        with pytest.raises(SettingError, match="warm-up of 9"):
            DARTS(epochs=5, warmup_epochs=9)

    def test_an_anchor_without_a_dirichlet(self, digits):
        with pytest.raises(SettingError, match="kl_anchor"):
            strategy(DARTS(**TOY, kl_anchor=1.0), digits)

    @pytest.mark.parametrize("exclude", ["nothing", "skip_connect,nonsense"])
    def test_an_operation_that_is_not_there(self, exclude, digits):
        with pytest.raises(UnknownNameError, match="operation to exclude"):
            strategy(DARTS(**TOY, exclude=exclude), digits)

    def test_none_may_be_left_out_where_it_is_not(self, digits):
        sized = {name: value for name, value in TOY.items() if name not in ("channels", "depth")}
        search = strategy(DARTS(**sized, size="search-small", exclude="none"), digits, toy_widths())
        assert search.total_steps > 0

    def test_no_operation_left(self, digits):
        everything = ",".join(toy_space().operations)
        with pytest.raises(SettingError, match="leaves no operation"):
            strategy(DARTS(**TOY, exclude=everything), digits)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_gpu(self, digits):
        with pytest.raises(SettingError, match="no GPU"):
            strategy(DARTS(**TOY, device="cuda"), digits)

    @pytest.mark.parametrize(
        "name",
        [
            "epochs",
            "batch_size",
            "partial_channels",
            "channels",
            "depth",
            "train_images",
            "valid_images",
            "epoch_images",
            "image_size",
        ],
    )
    def test_settings_out_of_range(self, name):
        with pytest.raises(SettingError, match=f"setting {name} must be at least"):
            DARTS(**{name: 0})

    @pytest.mark.parametrize("name", ["learning_rate", "clip_norm", "beta_decay", "kl_anchor", "warmup_epochs"])
    def test_negative_settings(self, name):
        with pytest.raises(SettingError, match=f"setting {name} must be at least"):
            DARTS(**{name: -1})


def test_excluded_operations_are_never_found(digits):
    search = strategy(DARTS(**TOY, exclude="none,skip_connect"), digits)
    finish(search)
    assert not {"none", "skip_connect"} & set(search.derive().answers)


def test_same_settings_same_search_another_seed_another(digits):
    method = DrNAS(**TOY)
    assert finish(strategy(method, digits)) == finish(strategy(replace(method), digits))
    assert finish(strategy(method, digits)) != finish(strategy(method, digits, seed=1))


EVERY = [name for name in METHODS.names() if issubclass(METHODS.get(name), GradientMethod)]
SPACES = {
    "cells": lambda: (toy_space(), load_task("digits")),
    "widths": lambda: (toy_widths(), load_task("digits")),
    "graphs": lambda: (toy_graph_space(), toy_graph_task()),
    "sane": lambda: (get_space("sane-1"), toy_graph_task()),
    "pictures": lambda: (toy_denoiser_space(), ToyDenoising.make()),
}
ANYWHERE = {"darts", "gdas", "drnas", "beta-darts", "ness"}


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", EVERY)
def test_two_steps_or_one_sentence(name, kind):
    """Every method of the family on every kind of relaxable space, whatever presets it has."""
    space, task = SPACES[kind]()
    size = space.networks["evaluation"]
    budget = Budget().bind(space, size, signature=task.signature, threads=1)
    few = {"epochs": 4 if name == "dots" else 2, "warmup_epochs": 0, "size": "search-small"}
    few |= {"batch_size": 8, "train_images": 16, "valid_images": 16}
    try:
        search = METHODS.get(name)(**few).strategy(Problem(space, task, size, budget, 0))
        events = [search.advance() for _ in range(2)]
    except NascenceError as refused:
        text = str(refused)
        assert name not in ANYWHERE
        assert text.endswith(".")
        assert "\n" not in text
        assert len(text) < 200
    else:
        assert search.steps_done == len(events) == 2
