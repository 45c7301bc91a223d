"""Which one size photographs of several sizes are brought to."""

from __future__ import annotations

import pytest

from nascence.errors import DataError
from nascence.tasks.sizes import USUAL_SIZES, SeveralSizesError, suggested_size


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ({(480, 640): 10, (3000, 4000): 90}, 64),  # no more than an ordinary computer trains on
        ({(640, 480): 3, (50, 60): 5}, 48),  # most are not enlarged
        ({(640, 480): 6, (50, 60): 5}, 64),
        ({(32, 33): 5, (33, 32): 5}, 32),
        ({(9, 6): 2, (8, 12): 1}, 6),  # smaller than all that is usual
        ({(1, 1): 5, (1, 2): 1}, 1),
    ],
)
def test_the_largest_usual_size_that_most_images_have(counts: dict[tuple[int, int], int], size: int) -> None:
    assert suggested_size(counts) == size


def test_the_sentence_says_what_there_is_and_what_to_type() -> None:
    error = SeveralSizesError({(480, 640): 10, (100, 90): 1, (500, 500): 1})
    assert isinstance(error, DataError)
    assert error.suggested == max(USUAL_SIZES)
    assert str(error) == (
        "The images have 3 different sizes, such as 100 x 90 and 480 x 640; "
        "add --image-size N to bring all to N x N, such as 64."
    )
    assert str(SeveralSizesError({(1, 1): 1, (2, 2): 1}, "Mine have")).startswith("Mine have 2 different sizes")
