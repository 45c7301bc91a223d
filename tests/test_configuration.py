from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascence.configuration import at_most, describe, from_json, integer, number, settings, to_json, type_name
from nascence.declaring import setting
from nascence.errors import NascenceError, SettingError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Size:
    width: int = 4


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe."""

    name: ClassVar[str] = "recipe"
    repeats: int = setting(3, "how often; more is slower.")
    rate: float = setting(0.1, "per step, in 1/s.")
    decay: float = 0.0
    labels: Literal["true", "random"] = "true"
    stages: tuple[int, ...] = (1, 2)
    pair: tuple[int, str] = (1, "a")
    limit: int | None = None
    text: str = field(default="x", metadata={"doc": "any text"})
    fast: bool = False
    size: Size = Size()

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, not {self.repeats}.")


@dataclass(frozen=True, kw_only=True)
class Required:
    count: int


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("repeats=5", "repeats", 5),
        ("repeats=1e3", "repeats", 1000),
        ("rate=1e-3", "rate", 0.001),
        ("rate=2", "rate", 2.0),
        ("labels=random", "labels", "random"),
        ("stages=3,4,5", "stages", (3, 4, 5)),
        ("stages=(7,)", "stages", (7,)),
        ("stages=", "stages", ()),
        ("pair=2,b", "pair", (2, "b")),
        ("limit=none", "limit", None),
        ("limit=7", "limit", 7),
        ("text=a=b", "text", "a=b"),
        ("text=12", "text", "12"),
        ("fast=yes", "fast", True),
        ("fast=False", "fast", False),
    ],
)
def test_reads_every_type(assignment: str, name: str, value: object) -> None:
    got = getattr(settings(Recipe, [assignment]), name)
    assert got == value
    assert type(got) is type(value)


def test_a_dash_may_stand_for_an_underscore() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Long:
        batch_size: int = 1

    assert settings(Long, ["batch-size=2"]).batch_size == 2


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("repeats=many", "integer"),
        ("repeats=1.5", "integer"),
        ("rate=fast", "number"),
        ("rate=nan", "number"),
        ("rate=inf", "number"),
        ("labels=false", "one of true, random"),
        ("stages=1,b", "integers, separated by commas"),
        ("pair=1", "2 values"),
        ("limit=some", "integer or none"),
        ("fast=maybe", "true or false"),
        ("repeats=0", "at least 1"),
        ("repeats", "name=value"),
        ("=3", "name=value"),
    ],
)
def test_wrong_values_say_what_is_expected(assignment: str, expected: str) -> None:
    with pytest.raises(SettingError, match=expected) as caught:
        settings(Recipe, [assignment])
    assert "\n" not in str(caught.value)


def test_unknown_names_list_the_known_and_suggest() -> None:
    with pytest.raises(UnknownNameError, match=r"setting of recipe 'repeat'. Did you mean 'repeats'\?.*rate.*stages"):
        settings(Recipe, ["repeat=1"])
    with pytest.raises(UnknownNameError, match="Known: "):
        settings(Recipe, values={"nothing": 1})


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(SettingError, match="given twice"):
        settings(Recipe, ["rate=1", "rate=2"])
    with pytest.raises(SettingError, match="given twice"):
        settings(Recipe, ["rate=1"], {"rate": 1})


def test_values_by_name_are_checked_like_texts() -> None:
    assert settings(Recipe, values={"stages": [9], "rate": 1, "limit": None}).stages == (9,)
    for wrong in ({"repeats": 1.5}, {"repeats": True}, {"labels": 1}, {"stages": 3}, {"fast": 1}, {"size": 3}):
        with pytest.raises(SettingError, match="expected"):
            settings(Recipe, values=wrong)


def test_required_settings() -> None:
    assert settings(Required, ["count=2"]).count == 2
    with pytest.raises(SettingError, match="'count'"):
        settings(Required)
    assert describe(Required) == [{"name": "count", "type": "integer", "doc": ""}]


@given(
    st.builds(
        Recipe,
        repeats=st.integers(1, 10**9),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        labels=st.sampled_from(["true", "random"]),
        stages=st.lists(st.integers()).map(tuple),
        limit=st.none() | st.integers(),
        text=st.text(),
        fast=st.booleans(),
        size=st.builds(Size, width=st.integers()),
    )
)
def test_json_round_trip(recipe: Recipe) -> None:
    assert from_json(Recipe, to_json(recipe)) == recipe


def test_json_refuses_what_is_no_object() -> None:
    with pytest.raises(NascenceError, match="JSON object"):
        from_json(Recipe, [1])


def test_describe_takes_types_defaults_and_sentences() -> None:
    fields = {entry["name"]: entry for entry in describe(Recipe)}
    assert list(fields)[:2] == ["repeats", "rate"]
    assert "name" not in fields
    assert fields["repeats"] == {
        "name": "repeats",
        "type": "integer",
        "default": 3,
        "doc": "how often; more is slower.",
    }
    assert fields["rate"]["doc"] == "per step, in 1/s."
    assert fields["labels"]["doc"] == ""
    assert fields["stages"]["default"] == [1, 2]
    assert fields["size"]["default"] == {"width": 4}
    assert fields["text"]["doc"] == "any text"


def test_type_names() -> None:
    assert type_name(int | None) == "integer or none"
    assert type_name(tuple[str, ...]) == "texts, separated by commas"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("300k", 300_000),
        ("0.3M", 300_000),
        ("2GB", 2e9),
        ("2GiB", 2**31),
        ("1.5 M", 1_500_000),
        ("7T", 7e12),
        ("1e6", 1e6),
    ],
)
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert number(text) == value
    assert integer(text) == value


def test_fractions_are_numbers() -> None:
    assert number("8/255") == number(" 8 / 255 ") == 8 / 255
    assert number("1e6/0.5") == 2e6
    assert integer("6/3") == 2


@pytest.mark.parametrize(
    "text",
    [
        "1/0",
        "/",
        "8/",
        "8//255",
        "1/2/3",
        "1e308/1e-308",
        "k",
        "3m",
        "3kk",
        "GB",
        "nan",
        "inf",
        "1e400",
        "9e299G",
        "300x",
        "",
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        number(text)


def test_whole_numbers_are_read_exactly_and_never_absurd() -> None:
    assert number("0.1234567890123456789") == 0.1234567890123456789
    with pytest.raises(SettingError, match="at most 1,000,000, not 1,000,000,000"):
        settings(Recipe, ["repeats=1e9"])
    with pytest.raises(SettingError, match="at most 5, not 6"):
        at_most(5, depth=6)
    with pytest.raises(SettingError, match=r"at most 1e\+15, not -1e\+308"):
        settings(Recipe, ["rate=-1e308"])
    at_most(5, depth=5, channels=None)
