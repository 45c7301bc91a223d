"""What every method says of its settings, and how long a recipe is."""

from pathlib import Path

import pytest

import nascence.methods
from nascence.declaring import class_defaults, leaf_called
from nascence.errors import SettingError
from nascence.methods import METHODS

FOLDER = Path(nascence.methods.__file__).parent
LONGEST = {"eg-nas": 200}
"""eg-nas is two searches, one after the other; all others have at most a hundred lines."""


def home(name):
    """The file of a method."""
    return FOLDER / f"{METHODS.get(name).__module__.rpartition('.')[2]}.py"


@pytest.mark.parametrize("name", [name for name in METHODS.names() if home(name).is_file()])
def test_a_recipe_is_short(name):
    assert len(home(name).read_text(encoding="utf-8").splitlines()) <= LONGEST.get(name, 100)


DECIDED = [(name, setting) for name in METHODS.names() for setting in METHODS.get(name).DECIDES]


@pytest.mark.parametrize(("name", "setting"), DECIDED)
def test_what_a_method_decides_itself_cannot_be_given(name, setting):
    method = METHODS.get(name)
    leaf = leaf_called(method, setting)
    usual = class_defaults(method).get(leaf.name, leaf.default())
    other = {"stages": ("1:5:1",), "warmup_epochs": 7, "edge_normalisation": True, "order": 2}
    assert method(**{leaf.flat: usual}).name == name, "what it is anyway may be said"
    value = other.get(leaf.flat, 0.123)
    with pytest.raises(SettingError, match=rf"^{name} {method.DECIDES[setting]}; leave {leaf.flat} out\.$"):
        method(**{leaf.flat: value})


def test_several_methods_decide_something():
    assert {name for name, _ in DECIDED} >= {"ness", "dots", "explicit-topology", "eg-nas"}
