"""The policy that AutoAugment found for CIFAR-10 (Cubuk et al., CVPR 2019, arXiv 1805.09501, table 7 of the appendix):
a baseline for policies that are searched."""

from __future__ import annotations

from nascence.tasks.policy import Policy, SubPolicy

_LEVELS = 9
"""The largest strength in the table."""
_CIFAR10 = """
Invert .1 7, Contrast .2 6
Rotate .7 2, TranslateX .3 9
Sharpness .8 1, Sharpness .9 3
ShearY .5 8, TranslateY .7 9
AutoContrast .5 8, Equalize .9 2
ShearY .2 7, Posterize .3 7
Color .4 3, Brightness .6 7
Sharpness .3 9, Brightness .7 9
Equalize .6 5, Equalize .5 1
Contrast .6 7, Sharpness .6 5
Color .7 7, TranslateX .5 8
Equalize .3 7, AutoContrast .4 8
TranslateY .4 3, Sharpness .2 6
Brightness .9 6, Color .2 8
Solarize .5 2, Invert .0 3
Equalize .2 0, AutoContrast .6 0
Equalize .2 8, Equalize .6 4
Color .9 9, Equalize .6 6
AutoContrast .8 4, Solarize .2 8
Brightness .1 3, Color .7 0
Solarize .4 5, AutoContrast .9 3
TranslateY .9 9, TranslateY .7 9
AutoContrast .9 2, Solarize .8 3
Equalize .8 8, Invert .1 3
TranslateY .7 9, AutoContrast .9 1
"""


def auto_augment() -> Policy:
    """Its 25 sub-policies, equally likely, with the operations of :mod:`nascence.tasks.image_operations`."""
    return Policy(tuple(SubPolicy(tuple(map(_step, line.split(", ")))) for line in _CIFAR10.strip().splitlines()))


def _step(text: str) -> tuple[str, float, float]:
    name, chance, level = text.split()
    return name, float(chance), int(level) / _LEVELS


__all__ = ["auto_augment"]
