from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from nascence.seeding import generator
from nascence.tasks.augmentation import cutout, random_crop, random_flip


def images(batch: int = 64, channels: int = 3, height: int = 5, width: int = 7) -> torch.Tensor:
    return torch.randint(1, 256, (batch, channels, height, width), dtype=torch.uint8, generator=generator(7))


def shifted(image_CHW: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The slow definition: pixel (y, x) of the result is pixel (y + down, x + right) of the image, 0 outside."""
    result = torch.zeros_like(image_CHW)
    _, height, width = image_CHW.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y + down < height and 0 <= x + right < width:
                result[:, y, x] = image_CHW[:, y + down, x + right]
    return result


@given(padding=st.integers(1, 3), seed=st.integers(0, 5))
def test_every_crop_is_a_shift_with_zeros_from_outside(padding: int, seed: int) -> None:
    before = images(batch=4)
    after = random_crop(before, padding, generator(seed))
    steps = range(-padding, padding + 1)
    for old, new in zip(before, after, strict=True):
        assert any(torch.equal(new, shifted(old, down, right)) for down in steps for right in steps)
    assert after.dtype == torch.uint8


def test_crops_reach_every_offset_about_equally_often() -> None:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    image[0, 0, 2, 2] = 1
    after = random_crop(image.expand(9000, 1, 5, 5), 1, generator(0))
    counts = after.sum(0)[0]
    assert int(counts[1:4, 1:4].sum()) == 9000
    assert ((counts[1:4, 1:4].float() - 1000).abs() < 150).all()


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_rest() -> None:
    before = images(batch=1000)
    after = random_flip(before, generator(0))
    flipped = [torch.equal(new, old.flip(-1)) for old, new in zip(before, after, strict=True)]
    same = [torch.equal(new, old) for old, new in zip(before, after, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert 440 < sum(flipped) < 560


def test_cutout_zeroes_one_square_around_a_pixel_and_nothing_else() -> None:
    before = images(batch=500, height=9, width=9).float()
    after = cutout(before, 4, generator(0))
    assert torch.equal(after[after != 0], before[after != 0])
    areas = set()
    for hidden in after[:, 0] == 0:
        rows, columns = hidden.any(1).nonzero()[:, 0], hidden.any(0).nonzero()[:, 0]
        height, width = len(rows), len(columns)
        assert hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert int(hidden.sum()) == height * width
        areas.add((height, width))
    assert (4, 4) in areas
    assert (2, 2) in areas
    assert max(areas) == (4, 4)


def test_the_same_generator_gives_the_same_images() -> None:
    before = images()
    for augment in (lambda x, g: random_crop(x, 2, g), random_flip, lambda x, g: cutout(x, 3, g)):
        assert torch.equal(augment(before, generator(1)), augment(before, generator(1)))
        assert not torch.equal(augment(before, generator(1)), augment(before, generator(2)))
