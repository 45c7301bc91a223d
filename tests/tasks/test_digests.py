from __future__ import annotations

import numpy as np

from nascence.tasks import digests
from nascence.tasks.digests import digest_of


def test_everything_counts() -> None:
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    changed = array.copy()
    changed[3, 2, 1] += 1
    parts = [
        [array],
        [changed],
        [array[:3], array[3:]],
        [array.reshape(3, 4, 2)],
        [array.astype(np.uint16)],
        [array, "a"],
        ["a", array],
        [array, ["a"]],
        [array, None],
        [],
    ]
    assert len({digest_of(part) for part in parts}) == len(parts)
    assert digest_of([array]) == digest_of([array.copy()])


def test_order_in_memory_and_pieces_do_not_matter(monkeypatch) -> None:
    array = np.random.default_rng(0).random((7, 5, 3))
    whole = digest_of([array])
    assert digest_of([np.asfortranarray(array)]) == whole
    monkeypatch.setattr(digests, "_PIECE", 100)
    assert digest_of([array]) == whole
    assert digest_of([np.zeros((0, 3))]) != digest_of([np.zeros((0, 4))])
