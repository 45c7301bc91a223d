"""Names: lazy, extensible at run time and by entry points, never silently replaced."""

import sys
from importlib.metadata import EntryPoint

import pytest

from nascence import registry
from nascence.errors import NascenceError, UnknownNameError
from nascence.registry import Registry


@pytest.fixture
def colours():
    return Registry("colour", {"red": object(), "fraction": "fractions:Fraction"})


def test_names_keep_the_order_of_registration(colours):
    colours.register("blue", 3)
    assert colours.names() == ["red", "fraction", "blue"]
    assert colours.get("blue") == 3


def test_listing_imports_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    lazy = Registry("colour", {"hue": "colorsys:rgb_to_hls"})
    assert lazy.names() == ["hue"]
    assert "colorsys" not in sys.modules
    assert callable(lazy.get("hue"))
    assert "colorsys" in sys.modules


def test_text_entries_are_imported_once(colours):
    from fractions import Fraction

    assert colours.get("fraction") is Fraction
    assert colours.get("fraction") is Fraction


def test_unknown_name_lists_and_suggests(colours):
    with pytest.raises(
        UnknownNameError, match=r"^Unknown colour 'fractoin'\. Did you mean 'fraction'\? Known: fraction, red\.$"
    ):
        colours.get("fractoin")
    with pytest.raises(UnknownNameError) as caught:
        colours.get("zzz")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(UnknownNameError, match="Known: none"):
        Registry("colour", {}).get("red")


def test_a_taken_name_is_refused(colours):
    with pytest.raises(NascenceError, match="There is a colour called 'red' already"):
        colours.register("red", 1)


def test_the_same_object_once_more_is_nothing(colours, monkeypatch):
    """One file may register its classes and be named by entry points: whichever comes first."""
    from fractions import Fraction

    colours.register("fraction", Fraction)
    colours.register("fraction", Fraction)
    colours.register("fraction", "fractions:Fraction")
    assert colours.get("fraction") is Fraction
    with pytest.raises(NascenceError, match="already"):
        colours.register("fraction", 1)
    with pytest.raises(NascenceError, match="already"):
        colours.register("fraction", "decimal:Decimal")


def test_a_file_that_is_run_is_the_module_of_its_name(monkeypatch):
    class Mine:
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/somewhere/mine.py", raising=False)
    named = Registry("thing", {"mine": "mine:Mine", "other": "other:Mine"})
    named.register("mine", Mine)
    assert named.get("mine") is Mine
    with pytest.raises(NascenceError, match="already"):
        named.register("other", Mine)


def test_the_caller_keeps_its_mapping():
    entries = {"one": 1}
    Registry("number", entries).register("two", 2)
    assert entries == {"one": 1}


def test_entry_points_add_names_but_replace_none(monkeypatch):
    asked = []

    def points(group):
        asked.append(group)
        return [EntryPoint("third", "fractions:Fraction", group), EntryPoint("own", "colorsys:hls_to_rgb", group)]

    monkeypatch.setattr(registry, "entry_points", points)
    sizes = Registry("network size", {"own": 1})
    assert sizes.names() == ["own", "third"]
    assert sizes.get("own") == 1
    assert sizes.get("third").__name__ == "Fraction"
    assert asked == ["nascence.network_sizes"], "searched once"


def test_a_known_name_needs_no_search_for_plugins(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: pytest.fail("searched"))
    assert Registry("number", {"one": 1}).get("one") == 1
