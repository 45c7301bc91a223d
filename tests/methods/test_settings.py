"""Settings out of range are refused when they are given, with the setting's name."""

import inspect

import pytest

from nascence.configuration import settings, to_json
from nascence.declaring import leaves, resolved
from nascence.errors import SettingError
from nascence.methods import METHODS
from nascence.methods.nasi import NASI
from nascence.methods.te_nas import TENAS
from nascence.spaces import SPACES, get_space
from nascence.spaces.base import PRESET_FORMS

TE_NAS = [
    "repeats",
    "prune",
    "images",
    "image_size",
    "region_networks",
    "region_batches",
    "region_patches",
    "patch_size",
]
NASI_SETTINGS = ["steps", "images", "image_size", "channels", "depth", "temperature", "nu"]


@pytest.mark.parametrize(
    ("method", "name"), [(TENAS, name) for name in TE_NAS] + [(NASI, name) for name in NASI_SETTINGS]
)
@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_range(method, name, value):
    with pytest.raises(SettingError, match=f"setting {name} must be at least"):
        method(**{name: value})


def test_one_image_has_no_condition_number():
    with pytest.raises(SettingError, match="at least 2"):
        TENAS(images=1)


CLASSES = [METHODS.get(name) for name in METHODS.names()]
SEVERAL = {
    "temperature": "of nasi one number, elsewhere a part that falls from start to end",
    "draws": "of scores, of ensembles, of masks, of latencies: each draws something else",
    "data": "of nasi true or noise, elsewhere a part",
    "epochs": "of a search, of a short training and of a longer one",
    "learning_rate": "of weights, of the architecture, of a policy, of a short training",
    "weight_decay": "of weights and of the architecture",
    "batch_size": "of a search and of a short training",
    "images": "a batch, or how many take part in a short training",
    "population": "of rank the random ones, of an evolution a generation",
    "architecture": "a part of a descent, or what the architecture learns from",
    "weight": "of a latency and of a cost",
    "target": "of a latency and of a cost",
    "network": "the supernet of a gradient method is more than a size",
    "evolution": "a part of two methods",
    "reevaluation": "a part of two methods",
    "value": "where errors come from: of evolution a choice, of eg-nas always a short training",
    "column": "of a table of latencies or of accuracies",
    "networks": "measured ones to learn latencies from, and the second stage of eg-nas",
    "sampler": "of operations, or of ensembles",
    "sparse": "of eg-nas whether a node may do without an edge, of trilevel-sr the relaxation",
    "sandwich": "of mod-nas in the warm-up, of trilevel-sr in every step",
}
"""Names that stand in several classes because they are about different things."""


def declared(cls):
    """(name of a field, class that declares it), of a class and of its parts."""
    for base in cls.__mro__:
        for name, field in base.__dict__.get("__dataclass_fields__", {}).items():
            if name in inspect.get_annotations(base) and field.init and "ClassVar" not in str(field.type):
                yield name, base
                yield from declared(field.metadata["part"]) if "part" in field.metadata else ()


def test_no_two_methods_declare_the_same_setting():
    where = {}
    for cls in CLASSES:
        for name, base in declared(cls):
            where.setdefault(name, set()).add(base)
    repeated = {name for name, classes in where.items() if len(classes) > 1}
    assert repeated - set(SEVERAL) == set()
    assert set(SEVERAL) <= repeated, "no name stands in the list without need"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.name)
def test_every_setting_is_declared_with_a_sentence_of_its_own(cls):
    sentences = [(leaf.name, leaf.doc) for leaf in leaves(cls).values()]
    assert [name for name, doc in sentences if not doc.endswith(".") or not doc[0].isalnum()] == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.name)
def test_either_name_of_every_setting_reaches_it(cls):
    usual = cls()
    for leaf in leaves(cls).values():
        value = to_json(leaf.of(usual))
        text = "none" if value is None else ",".join(map(str, value)) if isinstance(value, list) else value
        for name in {leaf.name, leaf.flat}:
            assert settings(cls, [f"{name}={text}"]) == usual
        if leaf.name != leaf.flat:
            with pytest.raises(SettingError, match="given twice"):
                settings(cls, [f"{leaf.name}={text}", f"{leaf.flat}={text}"])


def test_presets_say_each_setting_once():
    for cls in CLASSES:
        for preset in cls.PRESETS.values():
            assert resolved(cls, preset).keys() <= leaves(cls).keys()


def test_forms_of_presets_are_what_spaces_ask_for():
    """No preset is about a method and a space by name: a space says of which form it is."""
    forms = {get_space(name).preset_form for name in SPACES.names()} - {""}
    assert forms <= set(PRESET_FORMS)
    for cls in CLASSES:
        suffixes = {
            key.removeprefix(f"{base}-") for base in cls.PRESETS for key in cls.PRESETS if key.startswith(base + "-")
        }
        assert suffixes - {"progressive"} <= set(PRESET_FORMS)


def test_every_depth_of_a_space_has_its_form():
    assert {get_space(name).preset_form for name in ("sane", "sane-2")} == {"sane"}
