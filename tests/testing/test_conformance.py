"""The checks catch what they are for: a space broken in one place fails the check of that place."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.scores import Score
from nascence.spaces import SPACES, Choice, NetworkConfig, Space
from nascence.spaces import _listed as cached_get_space
from nascence.testing import CellSpaceConformance, ScoreConformance, SpaceConformance
from nascence.testing.conformance import _assert_uniform


class Linear(Space):
    """Three widths, twice; correct."""

    name = "broken"
    choices = (Choice("first", ("1", "2", "3")), Choice("second", ("1", "2", "3")))
    networks = {"evaluation": NetworkConfig(channels=4), "score": NetworkConfig(channels=2)}

    def format(self, architecture):
        return "-".join(architecture.answers)

    def parse(self, text):
        return self.architecture(text.strip().split("-"))

    def assemble(self, architecture, network, signature):
        widths = [network.channels * int(answer) for answer in architecture.answers]
        layers = [nn.Conv2d(signature.features, widths[0], 3, padding=1), nn.ReLU(), nn.Conv2d(*widths, 1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[1], signature.outputs))


class ForgetsText(Linear):
    def parse(self, text):
        return super().parse("1-" + text.strip().split("-")[-1])


class AcceptsGarbage(Linear):
    def parse(self, text):
        return super().parse(text.strip()[:3])


class RaisesAnotherError(Linear):
    def parse(self, text):
        return self.architecture([str(int(part)) for part in text.split("-")])


class RestlessCanonical(Linear):
    def canonical(self, architecture):
        return Architecture(self.name, architecture.answers[::-1])


class FalseCanonical(Linear):
    def canonical(self, architecture):
        return Architecture(self.name, ("1", "1"))


class WrongLogits(Linear):
    def assemble(self, architecture, network, signature):
        return super().assemble(architecture, network, replace(signature, outputs=signature.outputs + 1))


class DrawsGlobally(Linear):
    def canonical(self, architecture):
        torch.rand(1)
        return architecture


class SameOptions(Linear):
    choices = (Choice("first", ("1", "1")), Choice("second", ("1", "2", "3")))


class WrongSize(Linear):
    size = 10


class NoScoreNetwork(Linear):
    networks = {"evaluation": NetworkConfig(channels=4)}


CHECKS = sorted(name for name in dir(SpaceConformance) if name.startswith("test_"))
CAUGHT_BY = {
    ForgetsText: "test_text_round_trip",
    AcceptsGarbage: "test_bad_text_is_refused",
    RaisesAnotherError: "test_edited_text_is_valid_or_refused",
    RestlessCanonical: "test_canonical_is_idempotent",
    FalseCanonical: "test_canonical_computes_the_same_function",
    WrongLogits: "test_every_network_maps_images_to_outputs",
    DrawsGlobally: "test_global_random_state_is_left_alone",
    SameOptions: "test_choices_and_networks_are_well_formed",
    WrongSize: "test_size_is_the_number_of_architectures",
    NoScoreNetwork: "test_choices_and_networks_are_well_formed",
}


def run(space_class, check, monkeypatch):
    monkeypatch.setitem(SPACES._entries, "broken", space_class)
    cached_get_space.cache_clear()
    conformance = SpaceConformance()
    conformance.space = space_class()
    try:
        getattr(conformance, check)()
    finally:
        cached_get_space.cache_clear()


@pytest.mark.parametrize("check", CHECKS)
def test_a_correct_space_passes(check, monkeypatch):
    run(Linear, check, monkeypatch)


@pytest.mark.parametrize(
    ("space_class", "check"), CAUGHT_BY.items(), ids=lambda value: getattr(value, "__name__", value)
)
def test_a_broken_space_fails(space_class, check, monkeypatch):
    with pytest.raises((AssertionError, ValueError)):
        run(space_class, check, monkeypatch)


def test_uniformity_is_judged():
    _assert_uniform([500, 510, 490, 500], "fine")
    with pytest.raises(AssertionError, match="lopsided"):
        _assert_uniform([600, 410, 490, 500], "lopsided")


def test_cell_checks_extend_the_others():
    assert set(CHECKS) < {name for name in dir(CellSpaceConformance) if name.startswith("test_")}


class _Broken(Score):
    name = "params"
    description = "for tests"
    source = "none"
    larger_is_better = True
    worst = 0.0
    random = True

    def __call__(self, probe):
        return self.rule(probe)

    @staticmethod
    def rule(probe):
        return float(str(probe.architecture).count("conv") + (probe.seed + probe.draw) / 8)


class _NotANumber(_Broken):
    rule = staticmethod(lambda probe: float("inf"))


class _SaysRandomIsNot(_Broken):
    rule = staticmethod(lambda probe: 1.0 + str(probe.architecture).count("conv"))


class _DrawsGlobally(_Broken):
    rule = staticmethod(lambda probe: 1 + float(torch.rand(())))


class _Constant(_Broken):
    rule = staticmethod(lambda probe: 1.0 + probe.draw + probe.seed)


@pytest.mark.parametrize(
    ("score", "check"),
    [
        (_NotANumber, "test_values_are_finite_or_the_worst"),
        (_SaysRandomIsNot, "test_values_depend_on_seed_and_draw_alone"),
        (_DrawsGlobally, "test_values_depend_on_seed_and_draw_alone"),
        (_Constant, "test_different_architectures_differ"),
        (_Broken, "test_degenerate_networks_get_the_worst"),
        (_Broken, "test_says_what_it_is"),
    ],
)
def test_a_broken_score_fails(score, check):
    conformance = ScoreConformance()
    conformance.score, conformance.space, conformance.task = score(), cached_get_space("nas-bench-201"), None
    conformance.degenerate = [conformance.space.architecture(["nor_conv_3x3"] * 6)]
    with pytest.raises(AssertionError):
        getattr(conformance, check)()
    conformance.score = _Broken()
    if check not in ("test_degenerate_networks_get_the_worst", "test_says_what_it_is"):
        getattr(conformance, check)()
