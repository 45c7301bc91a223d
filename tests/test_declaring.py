"""Settings with parts: names, bounds, defaults."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Any, ClassVar

import pytest

from nascence.configuration import describe, from_json, settings, to_json
from nascence.declaring import Bounds, Settings, class_defaults, flat, leaf_called, leaves, part, resolved, setting
from nascence.errors import SettingError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Steps(Settings):
    rate: float = setting(0.1, "Of a step.", at_least=0)
    kind: str = setting("sgd", "Of the optimizer.", alias="steps_kind")


@dataclass(frozen=True, kw_only=True)
class Inner(Settings):
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"steps.rate": 0.3}

    steps: Steps = part(Steps, rate="inner_rate", kind="inner_kind")
    share: float = setting(0.5, "Of the data.", above=0, below=1)


@dataclass(frozen=True, kw_only=True)
class Recipe(Settings):
    """A recipe."""

    name: ClassVar[str] = "recipe"
    epochs: int = setting(5, "Of the search.", at_least=1)
    sizes: tuple[int, ...] = setting((1,), "Of its parts.", at_least=1, at_most=9)
    limit: int | None = setting(None, "Of all.", at_least=2)
    steps: Steps = part(Steps)
    inner: Inner = part(Inner)


@dataclass(frozen=True, kw_only=True)
class Paper(Recipe):
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"epochs": 50, "rate": 0.2, "inner.steps.kind": "adam"}


@dataclass(frozen=True, kw_only=True)
class Later(Paper):
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"steps.rate": 0.4}


def test_every_setting_has_a_nested_and_a_flat_name() -> None:
    assert {name: leaf.flat for name, leaf in leaves(Recipe).items()} == {
        "epochs": "epochs",
        "sizes": "sizes",
        "limit": "limit",
        "steps.rate": "rate",
        "steps.kind": "steps_kind",
        "inner.steps.rate": "inner_rate",
        "inner.steps.kind": "inner_kind",
        "inner.share": "share",
    }
    assert leaf_called(Recipe, "rate") is leaf_called(Recipe, "steps.rate")


@pytest.mark.parametrize(
    "given",
    [
        {"rate": 0.7},
        {"steps.rate": 0.7},
        {"steps": {"rate": 0.7}},
        {"steps": Steps(rate=0.7)},
        {"steps": Steps(), "rate": 0.7},
    ],
)
def test_all_ways_to_give_a_setting_are_one(given: Mapping[str, Any]) -> None:
    assert Recipe(**given) == Recipe(steps=Steps(rate=0.7))
    assert replace(Recipe(epochs=3), **given) == Recipe(epochs=3, rate=0.7)
    if not any(isinstance(value, Settings) for value in given.values()):
        assert from_json(Recipe, given) == settings(Recipe, values=given) == Recipe(**given)


def test_texts_reach_parts_of_parts() -> None:
    made = settings(Recipe, ["steps.rate=0.7", "inner.steps.kind=adam", "inner-rate=2", "sizes=2,3"])
    assert made == Recipe(rate=0.7, inner=Inner(steps=Steps(rate=2.0, kind="adam")), sizes=(2, 3))
    assert settings(Recipe, ["rate=0.7"], None, {"steps.rate": 3.0, "share": 0.25}) == Recipe(rate=0.7, share=0.25)


def test_two_names_of_one_setting_are_refused_together() -> None:
    for texts, values in (
        (["rate=1", "steps.rate=1"], {}),
        (["steps.rate=1", "rate=2"], {}),
        (["rate=1"], {"steps.rate": 1}),
        ([], {"rate": 1, "steps": {"rate": 1}}),
    ):
        with pytest.raises(SettingError, match=r"given twice.*give it once"):
            settings(Recipe, texts, values)
    with pytest.raises(SettingError, match=r"'steps.rate' is given twice, as 'rate' too; give it once"):
        settings(Recipe, ["rate=1", "steps.rate=1"])


def test_classes_have_defaults_of_their_own() -> None:
    assert (Recipe().steps.rate, Recipe().inner.steps.rate) == (0.1, 0.3)
    paper, later = Paper(), Later()
    assert (paper.epochs, paper.steps.rate, paper.inner.steps) == (50, 0.2, Steps(rate=0.3, kind="adam"))
    assert (later.epochs, later.steps.rate, later.inner.steps.kind) == (50, 0.4, "adam")
    assert Later(rate=1).steps == Steps(rate=1)
    assert class_defaults(Later)["steps.rate"] == 0.4
    shown = {entry["name"]: entry.get("default") for entry in describe(Later)}
    assert shown == {name: to_json(leaf.of(later)) for name, leaf in leaves(Later).items()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "The setting epochs must be at least 1, not 0"),
        ({"rate": -1}, "The setting rate must be at least 0, not -1"),
        ({"inner.steps.rate": float("nan")}, "The setting inner_rate must be at least 0, not nan"),
        ({"share": 1.0}, "The setting share must be above 0 and below 1, not 1.0"),
        ({"sizes": (1, 10)}, r"The setting sizes must be at least 1 and at most 9, not \[1, 10\]"),
        ({"limit": 1}, "at least 2"),
        ({"inner": {"share": 0}}, "above 0"),
    ],
)
def test_bounds_hold_wherever_a_value_comes_from(given: Mapping[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Recipe(**given)
    with pytest.raises(SettingError, match=said):
        from_json(Recipe, given)


def test_what_is_no_number_is_within() -> None:
    bounds = Bounds(at_least=1)
    assert bounds.hold(None)
    assert bounds.hold("text")
    assert not bounds.hold([1, 0])
    assert str(Bounds(above=0, at_most=20_000)) == "above 0 and at most 20,000"
    assert str(Bounds()) == ""


def test_unknown_names_list_those_of_the_same_kind() -> None:
    with pytest.raises(UnknownNameError, match=r"setting of recipe 'steps.rat'. Did you mean 'steps.rate'\?"):
        settings(Recipe, ["steps.rat=1"])
    with pytest.raises(UnknownNameError, match="Did you mean 'rate'"):
        resolved(Recipe, {"ratte": 1})
    with pytest.raises(UnknownNameError, match="rate"):
        Recipe(nothing=1)


def test_json_is_flat_and_comes_back() -> None:
    made = Later(rate=0.7, share=0.25, sizes=(2, 3))
    written = to_json(made)
    assert written == {**flat(made), "sizes": [2, 3]}
    assert set(written) == {leaf.flat for leaf in leaves(Later).values()}
    assert from_json(Later, written) == made


def test_a_name_is_had_once() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Twice(Recipe):
        rate: float = setting(0.1, "Again.")

    with pytest.raises(TypeError, match=r"two settings called rate: steps.rate and rate; see DEFAULTS"):
        Twice()


def test_a_name_of_a_part_may_be_an_alias() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Older(Settings):
        steps: Steps = part(Steps)
        mode: str = setting("walk", "How.", alias="steps")

    assert Older(steps="run") == settings(Older, ["steps=run"]) == Older(mode="run")
    assert Older(steps=Steps(rate=1), mode="run").steps.rate == 1


def test_settings_are_values() -> None:
    made = Recipe(rate=0.7)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert hash(made) == hash(Recipe(steps=Steps(rate=0.7)))
    with pytest.raises(FrozenInstanceError):
        made.epochs = 3  # type: ignore[misc]


def test_described_with_alias_and_bounds() -> None:
    about = {entry["name"]: entry for entry in describe(Recipe)}
    assert about["steps.kind"] == {
        "name": "steps.kind",
        "alias": "steps_kind",
        "type": "text",
        "default": "sgd",
        "doc": "Of the optimizer.",
    }
    assert about["inner.share"]["bounds"] == "above 0 and below 1"
