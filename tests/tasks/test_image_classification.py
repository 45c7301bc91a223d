from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nascence.errors import DataError, SettingError
from nascence.seeding import generator
from nascence.tasks import Batch, ImageClassification, ImageSet, image_classes, load_task
from nascence.tasks.image_set import batch_sizes, stratified_split
from nascence.testing import ToyDenoising


def task_of(count: int = 30, size: int = 8, channels: int = 3, flip: bool = True) -> ImageClassification:
    """Image i has the value i everywhere, so that a pixel tells which image it came from."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, channels, size, size).clone()
    data = ImageSet(images, torch.arange(count) % 3)
    return ImageClassification("toy", ("a", "b", "c"), data, data, (0.0,) * channels, (1 / 255,) * channels, flip)


def test_properties() -> None:
    task = task_of(size=16)
    assert (task.in_channels, task.num_classes, task.image_size, task.padding) == (3, 3, (16, 16), 2)


def test_padding_is_four_at_32_and_never_zero() -> None:
    assert task_of(size=32).padding == 4
    assert task_of(size=5).padding == 1


def test_normalise_gives_zero_mean_and_unit_variance() -> None:
    task = load_task("digits")
    x = task.normalise(task.train.images).double()
    assert abs(float(x.mean())) < 1e-5
    assert float(x.std(correction=0)) == pytest.approx(1, abs=1e-5)
    assert x.amin() == pytest.approx(-task.mean[0] / task.std[0], abs=1e-5)


def test_a_batch_holds_distinct_images_with_their_labels() -> None:
    x, y = task_of().batch(30, generator(0))
    which = x[:, 0, 0, 0].round().long()
    assert x.shape == (30, 3, 8, 8)
    assert x.dtype == torch.float32
    assert sorted(which.tolist()) == list(range(30))
    assert torch.equal(which % 3, y)


def test_a_batch_follows_its_generator_alone() -> None:
    task = task_of()
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first, _ = task.batch(8, generator(0), augment=True)
    again, _ = task.batch(8, generator(0), augment=True)
    other, _ = task.batch(8, generator(1), augment=True)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_batches_come_from_the_named_split() -> None:
    task = task_of()
    other = ImageSet(task.test.images[:4] * 0 + 200, task.test.labels[:4])
    task = dataclasses.replace(task, test=other)
    x, _ = task.batch(4, generator(0), split="test")
    assert x.round().unique().tolist() == [200]


@pytest.mark.parametrize(
    ("size", "message"), [(31, "'toy' has 30; (add images, or|choose a smaller batch)"), (0, "at least 1 image, not 0")]
)
def test_batches_that_cannot_be_are_refused(size: int, message: str) -> None:
    attempts = (
        lambda: task_of().batch(size, generator(0)),
        lambda: next(task_of().epoch(generator(0), size)),
        lambda: task_of().check_batch(size),
    )
    for attempt in attempts:
        with pytest.raises(DataError, match=message):
            attempt()
    task_of().check_batch(30)


def test_a_setting_is_advised_where_there_is_one() -> None:
    with pytest.raises(DataError, match=r"choose a smaller batch, such as --set images=30\.$"):
        task_of().check_batch(31)
    with pytest.raises(DataError, match=r"has 30; add images, or take what looks at fewer\.$"):
        task_of().batch(31, generator(0))


def test_augmentation_pads_with_black_not_with_the_mean() -> None:
    task = dataclasses.replace(task_of(), mean=(0.5,) * 3, std=(0.25,) * 3)
    x, _ = task.batch(30, generator(0), augment=True)
    assert float(x.amin()) == pytest.approx(-2)


def test_digits_are_shifted_but_never_mirrored() -> None:
    for flip in (True, False):
        task = task_of(count=200, flip=flip)
        images = task.train.images.clone()
        images[:, :, :, :4] = 0  # dark to the left
        x = task.augmented(images[1:], generator(0))
        mirrored = x[:, 0, :, 0].amax(1) > 0
        assert bool(mirrored.any()) is flip
        assert len(x[:, 0].flatten(1).ne(0).sum(1).unique()) > 1, "no shift"


def test_cutout_is_applied_after_normalisation() -> None:
    task = dataclasses.replace(task_of(), mean=(0.9,) * 3, std=(0.25,) * 3)
    x = task.augmented(task.train.images, generator(0), cutout_length=4)
    assert ((x == 0).flatten(1).sum(1) >= 3 * 4).all()
    assert not (task.augmented(task.train.images, generator(0)) == 0).any()


@given(count=st.integers(2, 40), batch_size=st.integers(2, 40))
def test_batch_sizes_add_up_and_no_image_is_alone(count: int, batch_size: int) -> None:
    sizes = batch_sizes(count, batch_size)
    assert sum(sizes) == count
    assert min(sizes) > 1
    assert max(sizes) <= batch_size + 1


def test_an_epoch_shows_every_image_once() -> None:
    task = task_of(count=31)
    batches = list(task.epoch(generator(0), 10, augment=False))
    assert [len(y) for _, y in batches] == [10, 10, 11]
    seen = torch.cat([x[:, 0, 0, 0].round().long() for x, _ in batches])
    assert sorted(seen.tolist()) == list(range(31))
    assert seen.tolist() != list(range(31))
    assert torch.equal(seen % 3, torch.cat([y for _, y in batches]))


def test_patches_are_windows_of_one_channel_of_training_images() -> None:
    task = task_of(count=5, size=4)
    images = torch.randint(256, (5, 3, 4, 4), dtype=torch.uint8, generator=generator(3))
    task = dataclasses.replace(task, train=ImageSet(images, task.train.labels[:5]))
    patches = task.patches(200, 3, 1, generator(0)).round().to(torch.uint8)
    assert patches.shape == (200, 1, 3, 3)
    windows = {
        (channel, image, y, x): images[image, channel, y : y + 3, x : x + 3]
        for channel in range(3)
        for image in range(5)
        for y in range(2)
        for x in range(2)
    }
    origins = [{at for at, window in windows.items() if torch.equal(window, patch[0])} for patch in patches]
    assert all(origins)
    assert len({at[0] for found in origins for at in found}) == 1, "one channel for all"
    assert len({at for found in origins for at in found}) == 20, "every window of that channel"


def test_the_kept_channel_of_patches_is_drawn() -> None:
    task = task_of()
    images = torch.arange(3, dtype=torch.uint8)[None, :, None, None].expand(30, 3, 8, 8)
    task = dataclasses.replace(task, train=ImageSet(images, task.train.labels))
    drawn = [task.patches(4, 3, 1, generator(seed)).round().unique().tolist() for seed in range(20)]
    assert sorted(set(map(tuple, drawn))) == [(0,), (1,), (2,)]


def test_patches_that_do_not_fit_are_refused() -> None:
    for size, channels in ((9, 1), (3, 4)):
        with pytest.raises(DataError, match="do not fit into the 3 x 8 x 8 images"):
            task_of().patches(10, size, channels, generator(0))


def test_halves_are_disjoint_complete_and_balanced() -> None:
    task = load_task("digits")
    first, second = task.halves(0)
    assert abs(len(first) - len(second)) <= 10
    assert len(first) + len(second) == len(task.train)
    difference = first.labels.bincount() - second.labels.bincount()
    assert difference.abs().max() <= 1
    assert torch.equal(first.images, task.halves(0)[0].images)
    assert not torch.equal(first.images, task.halves(1)[0].images)


@given(fraction=st.floats(0.01, 0.99), counts=st.lists(st.integers(2, 9), min_size=2, max_size=4))
def test_stratified_split_keeps_shares_and_leaves_no_class_out(fraction: float, counts: list[int]) -> None:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    first, second = stratified_split(labels, fraction, generator(0))
    assert sorted([*first.tolist(), *second.tolist()]) == list(range(len(labels)))
    for label, count in enumerate(counts):
        inside = int((labels[first] == label).sum())
        assert 0 < inside < count
        assert abs(inside - fraction * count) <= 1


def test_shrunk_images_are_means_of_pixels():
    task = load_task("digits")
    small = task.shrunk(4)
    assert small.image_size == (4, 4)
    assert small.train.images.dtype == torch.uint8
    expected = task.train.images[:5].float().unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)).round()
    assert torch.equal(small.train.images[:5].float(), expected)
    assert torch.equal(small.test.labels, task.test.labels)
    assert (small.mean, small.std) == (task.mean, task.std)
    assert task.shrunk(None) is task
    assert task.shrunk(8) is task


def unequal(*counts: int) -> ImageClassification:
    labels = torch.cat([torch.full((count,), at) for at, count in enumerate(counts)])
    data = ImageSet(torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8), labels)
    names = tuple("abcdef"[: len(counts)])
    return ImageClassification("unequal", names, data, data, (0.5,), (0.5,))


def test_a_validation_part_is_stratified_and_leaves_no_class_empty() -> None:
    task = unequal(40, 20, 10).holding_out(0.1, seed=3)
    assert task.validation is not None
    assert task.validation.labels.bincount().tolist() == [4, 2, 1]
    assert task.train.labels.bincount().tolist() == [36, 18, 9]
    assert len(task.part("validation")) == 7
    with pytest.raises(DataError, match="leaves the class 'b' of 'unequal' without validation images"):
        unequal(10, 1).holding_out(0.1, seed=0)
    with pytest.raises(DataError, match="without training images"):
        unequal(10, 1).holding_out(0.9, seed=0)
    with pytest.raises(DataError, match="has validation images of its own; leave --validation out"):
        task.holding_out(0.1, seed=0)
    with pytest.raises(SettingError, match="between 0 and 1, not 1"):
        unequal(4, 4).holding_out(1, seed=0)


def test_weights_of_classes_are_in_the_loss_and_not_in_the_judgement() -> None:
    task = unequal(3, 1)
    batch = Batch((torch.zeros(2, 1, 4, 4),), torch.tensor([0, 1]))
    output = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    lost = -output.log_softmax(1)
    weighted = task.weighted("balanced")
    assert weighted.class_weights == (4 / 6, 2.0)
    expected = (4 / 6 * lost[0, 0] + 2 * lost[1, 1]) / (4 / 6 + 2)
    assert float(weighted.loss(output, batch)) == pytest.approx(float(expected))
    assert float(weighted.judge(output, batch)["loss"]) == pytest.approx(float(lost[0, 0] + lost[1, 1]))
    measures = weighted.measures(weighted.judge(output, batch))
    assert (measures["accuracy"], measures["balanced_accuracy"]) == (50, 50)
    assert weighted.watched.name == "balanced_accuracy"
    assert task.watched.name == "accuracy"
    smooth = 0.9 * (lost[0, 0] + lost[1, 1]) / 2 + 0.1 * lost.mean()
    assert float(task.smoothed(0.1).loss(output, batch)) == pytest.approx(float(smooth))


def test_only_what_is_of_images_with_classes_is_taken_for_that() -> None:
    task = unequal(2, 2)
    assert image_classes(task, "This") is task
    with pytest.raises(SettingError, match="This works on images with a class each, and 'toy-denoising' is other data"):
        image_classes(ToyDenoising.make(), "This")
