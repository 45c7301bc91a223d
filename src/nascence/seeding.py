"""Randomness by name: every draw has a generator of its own, derived from the run's seed and the draw's place.

Nothing depends on how many random numbers were drawn before, so that a resumed run, a parallel run and an undisturbed
run see the same numbers, and adding a draw somewhere changes no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for the place ``path`` below ``seed``; different paths give independent seeds."""
    place = (int(seed), *(part if isinstance(part, str) else int(part) for part in path))
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def seeded_globally(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """The block within which the global generators, of the CPU and of ``device``, begin at ``seed``: for what takes no
    generator, such as layers of dropout. Afterwards they are where they were."""
    device = torch.device(device)
    gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device.index or 0] if gpu else []):
        torch.default_generator.manual_seed(seed)
        if gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def generator(seed: int, *path: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh :class:`torch.Generator` for the place ``path`` below ``seed``."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *path))
