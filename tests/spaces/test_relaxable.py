"""Spaces in which every row of a group is one choice."""

from typing import ClassVar

import pytest
import torch

from nascence.architecture import Architecture
from nascence.spaces import Choice
from nascence.spaces.relaxable import RowwiseSpace, initialised_supernet
from nascence.supernets import ChoiceGroup
from nascence.tasks.base import Signature
from nascence.testing import toy_space, toy_widths


class Pair(RowwiseSpace):
    """Two rows of one group with different possible options, listed in another order than the choices."""

    name: ClassVar[str] = "pair"
    choices = (Choice("b", ("z", "x")), Choice("a", ("x", "y", "z")))
    networks: ClassVar[dict] = {}
    groups = (ChoiceGroup("letters", ("a", "b"), ("x", "y", "z"), possible=(("x", "y", "z"), ("x", "z"))),)

    def format(self, architecture):
        return ",".join(architecture.answers)

    def parse(self, text):
        return self.architecture(text.split(","))

    def assemble(self, *args, **kwargs):
        raise NotImplementedError

    def supernet(self, *args, **kwargs):
        raise NotImplementedError


def test_one_hot_weights_follow_names_not_places():
    weights = Pair().one_hot(Architecture("pair", ("z", "y")))
    assert weights["letters"].tolist() == [[0, 1, 0], [0, 0, 1]]


def test_scores_per_choice_are_those_of_its_own_options_in_its_order():
    scores = {"letters": torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "latency": torch.tensor(0.5)}
    found = Pair().choice_scores(scores)
    assert found["a"].tolist() == [1, 2, 3]
    assert found["b"].tolist() == [6, 4], "z, then x; y is none of its options"
    assert found["latency"] == 0.5
    assert set(found) == {"a", "b", "latency"}


def test_scores_of_some_groups_only():
    space = toy_widths()
    found = space.choice_scores({"width": torch.arange(6.0).view(2, 3)})
    assert {name: value.tolist() for name, value in found.items()} == {"width1": [0, 1, 2], "width2": [3, 4, 5]}


def test_probabilities_per_choice_of_every_group():
    space = toy_widths()
    architecture = space.parse("0.5,0.25,1.0,conv3x3,conv1x1")
    found = space.expectation_weights(space.one_hot(architecture))
    for choice, answer in zip(space.choices, architecture.answers, strict=True):
        assert choice.options[int(found[choice.name].argmax())] == answer
        assert found[choice.name].sum() == 1


def test_unknown_answers_fail():
    with pytest.raises(ValueError, match="not in tuple"):
        Pair().one_hot(Architecture("pair", ("z", "w")))


@pytest.mark.parametrize("space", [toy_space(), toy_widths()], ids=lambda space: space.name)
def test_an_initialisation_by_name_whether_the_space_has_a_rule_or_not(space):
    signature, size = Signature.images((1, 8, 8)), space.networks["search-small"]
    weights = {
        name: [value.detach() for value in initialised_supernet(space, size, signature, name, seed=seed).parameters()]
        for name, seed in (("default", 1), ("kaiming-fan-in", 1))
    }
    plain = list(space.supernet(size, signature, seed=1).parameters())
    assert all(torch.equal(one, other) for one, other in zip(weights["default"], plain, strict=True))
    kernels = [(one, other) for one, other in zip(*weights.values(), strict=True) if one.dim() == 4]
    assert kernels
    assert not any(torch.equal(one, other) for one, other in kernels)
    again = initialised_supernet(space, size, signature, "kaiming-fan-in", seed=1).parameters()
    assert all(torch.equal(one, other) for one, other in zip(weights["kaiming-fan-in"], again, strict=True))
