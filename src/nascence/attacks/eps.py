"""How far every pixel may move, as people write it: 8/255, or 0.03."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from nascence.errors import SettingError

_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?"


def read_eps(text: str | float) -> float:
    """A radius in (0, 1), of a pixel's range 0 to 1. Raises :class:`SettingError`; where the number is so large that
    it must be meant of 255, the message asks back."""
    told = str(text).strip()
    found = re.fullmatch(rf"({_NUMBER})(?:\s*/\s*({_NUMBER}))?", told[:100])
    if not found or (found[2] is not None and not float(found[2])):
        raise SettingError(f"'{told[:100]}' is no radius of an attack; expected such as 8/255.")
    value = float(found[1]) / float(found[2] or 1)
    if value >= 1 and found[2] is None and value <= 255:
        raise SettingError(
            f"An eps of {told} would move every pixel over its whole range, 0 to 1; is {told}/255 meant? "
            f"Type: --eps {told}/255"
        )
    if not 0 < value < 1 or not math.isfinite(value):
        raise SettingError(f"The radius of an attack is above 0 and below 1, such as 8/255, not {told[:100]}.")
    return value


def check_eps(name: str, value: float) -> None:
    """Raises :class:`SettingError` where the setting ``name`` is no radius; where it must be meant of 255, the message
    asks back."""
    if 0 < value < 1:
        return
    if 1 <= value <= 255:
        raise SettingError(
            f"{name}={value:g} would move every pixel over its whole range, 0 to 1; is {value:g}/255 meant? "
            f"Type: --set {name}={value:g}/255"
        )
    raise SettingError(f"The setting {name} is above 0 and below 1, such as 8/255, not {value:g}.")


def told_eps(eps: float) -> str:
    """``8/255`` where it is a multiple of that, else the number."""
    of_255 = Fraction(eps * 255).limit_denominator(10)
    if math.isclose(float(of_255) / 255, eps, rel_tol=1e-6) and of_255:
        return f"{float(of_255):g}/255"
    return f"{eps:.4g}"


__all__ = ["check_eps", "read_eps", "told_eps"]
