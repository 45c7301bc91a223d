import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nascence.attacks.eps import check_eps, read_eps, told_eps
from nascence.errors import SettingError


@pytest.mark.parametrize(
    ("text", "value"),
    [("8/255", 8 / 255), (" 2 / 255 ", 2 / 255), ("0.03", 0.03), (0.5, 0.5), ("1e-3", 1e-3), (".5", 0.5)],
)
def test_radii(text, value):
    assert read_eps(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["8", 8, "1", "2.0", "255"])
def test_eight_is_asked_back(text):
    with pytest.raises(SettingError, match=rf"is {text}/255 meant\? Type: --eps {text}/255"):
        read_eps(text)


@pytest.mark.parametrize(
    "text", ["", "abc", "8/0", "-8/255", "0", "0/255", "8/2", "1000", "nan", "inf", "8//255", "8" * 5000]
)
def test_what_is_no_radius(text):
    with pytest.raises(SettingError, match="8/255") as caught:
        read_eps(text)
    assert len(str(caught.value)) < 300


def test_settings_are_asked_back_as_settings():
    check_eps("eps", 8 / 255)
    with pytest.raises(SettingError, match=r"is 8/255 meant\? Type: --set adversarial_eps=8/255"):
        check_eps("adversarial_eps", 8.0)
    for value in (0.0, -1.0, 256.0, float("nan")):
        with pytest.raises(SettingError, match="The setting eps is above 0 and below 1"):
            check_eps("eps", value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(SettingError):
        assert 0 < read_eps(text) < 1


def test_told_as_people_write_it():
    assert [told_eps(eps) for eps in (8 / 255, 0.5 / 255, 0.0123)] == ["8/255", "0.5/255", "0.0123"]
