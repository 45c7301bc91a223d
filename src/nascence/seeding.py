"""Randomness by name: every draw has a generator of its own, derived from the run's seed and the draw's place.

Nothing depends on how many random numbers were drawn before, so that a resumed run, a parallel run and an undisturbed
run see the same numbers, and adding a draw somewhere changes no other.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for the place ``path`` below ``seed``; different paths give independent seeds."""
    place = (int(seed), *(part if isinstance(part, str) else int(part) for part in path))
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *path: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh :class:`torch.Generator` for the place ``path`` below ``seed``."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *path))
