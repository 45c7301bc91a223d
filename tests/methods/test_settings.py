"""Settings out of range are refused when they are given, with the setting's name."""

import pytest

from nascence.errors import SettingError
from nascence.methods.base import at_least
from nascence.methods.nasi import NASI
from nascence.methods.te_nas import TENAS

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


def test_at_least():
    at_least(1, one=1, more=2.5, none=None)
    with pytest.raises(SettingError, match="nan"):
        at_least(1, bad=float("nan"))
