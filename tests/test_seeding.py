"""Randomness by name."""

import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nascence.seeding import derive_seed, generator, seeded_globally

PLACES = st.lists(st.integers() | st.text(max_size=5), max_size=3)


@given(st.integers(-(2**63), 2**64), PLACES)
def test_is_a_63_bit_seed_and_repeats(seed, path):
    value = derive_seed(seed, *path)
    assert 0 <= value < 2**63
    assert value == derive_seed(seed, *path)
    torch.Generator().manual_seed(value)


def test_different_places_differ():
    paths = [(), ("a",), ("b",), ("a", 0), ("a", 1), ("a", "1"), (0,), (1,), ("0",), ("a", "b"), ("ab",), ("a,b",)]
    seeds = [derive_seed(seed, *path) for seed, path in itertools.product((0, 1, -1, 777), paths)]
    assert len(set(seeds)) == len(seeds)


def test_numpy_integers_are_integers():
    assert derive_seed(np.int64(3), "step", np.int64(4)) == derive_seed(3, "step", 4)


def test_is_the_same_in_every_process_and_version():
    """Runs of older versions are resumed with these seeds."""
    assert derive_seed(5, "score", 17) == 4497930408233235266
    assert derive_seed(0) == 2631537505891389924


def test_generators_are_fresh_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    first, second = generator(0, "x"), generator(0, "x")
    drawn = torch.rand(4, generator=first)
    assert torch.equal(drawn, torch.rand(4, generator=second))
    assert not torch.equal(drawn, torch.rand(4, generator=generator(0, "y")))
    assert not torch.equal(drawn, torch.rand(4, generator=generator(1, "x")))
    assert torch.equal(before, torch.get_rng_state())


def test_neighbouring_seeds_are_uncorrelated():
    draws = torch.stack([torch.randn(2000, generator=generator(seed, "x"), dtype=torch.float64) for seed in range(8)])
    correlations = torch.corrcoef(draws) - torch.eye(8, dtype=torch.float64)
    assert correlations.abs().max() < 5 / 2000**0.5


def test_seeded_globally_draws_the_same_and_leaves_the_generator_where_it_was():
    before = torch.get_rng_state()
    found = []
    for _ in range(2):
        with seeded_globally(7):
            found.append(torch.rand(3))
        torch.rand(1)
    assert torch.equal(*found)
    torch.set_rng_state(before)
    with seeded_globally(8):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
