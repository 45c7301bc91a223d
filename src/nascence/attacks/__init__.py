"""Attacks on networks that tell images apart: how far can an image be changed unseen until the answer is wrong."""

from nascence.attacks.base import Attack, Ball, Victim
from nascence.registry import Registry

ATTACKS = Registry(
    "attack",
    {
        "fgsm": "nascence.attacks.fgsm:FGSM",
        "pgd": "nascence.attacks.pgd:PGD",
        "apgd": "nascence.attacks.apgd:APGD",
    },
)

__all__ = ["ATTACKS", "Attack", "Ball", "Victim"]
