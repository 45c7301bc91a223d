from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks import load_task
from nascence.tasks.assembling import LabelledImages, RawData, assemble


def labelled(labels: list[int | str], size: int = 4, channels: int = 3, value: int = 0) -> LabelledImages:
    return LabelledImages(np.full((len(labels), size, size, channels), value, np.uint8), labels)


def test_labels_are_mapped_in_order_and_the_mapping_is_kept() -> None:
    task = assemble(RawData("toy", labelled([30, 7, 30, 100]), labelled([7])))
    assert task.label_mapping == {7: 0, 30: 1, 100: 2}
    assert task.class_names == ("7", "30", "100")
    assert task.train.labels.tolist() == [1, 0, 1, 2]
    assert task.test.labels.tolist() == [0]


def test_names_stand_for_labels() -> None:
    task = assemble(RawData("toy", labelled([0, 2]), labelled([0]), label_names={0: "cat", 1: "cow", 2: "dog"}))
    assert task.class_names == ("cat", "dog")
    assert assemble(RawData("toy", labelled(["b", "a"]), labelled(["a"]))).class_names == ("a", "b")


def test_statistics_are_those_of_the_training_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 5, 4, 3), dtype=np.uint8)
    task = assemble(RawData("toy", LabelledImages(pixels, [0, 1, 2] * 3), LabelledImages(pixels[:1], [0])))
    assert np.allclose(task.mean, (pixels / 255).mean((0, 1, 2)), atol=1e-12)
    assert np.allclose(task.std, (pixels / 255).std((0, 1, 2)), atol=1e-12)
    assert torch.equal(task.train.images, torch.from_numpy(pixels).permute(0, 3, 1, 2))


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    task = assemble(RawData("toy", labelled([0, 1], value=51), labelled([0])))
    assert task.std == (1.0, 1.0, 1.0)
    assert torch.isfinite(task.normalise(task.train.images)).all()


def test_a_test_set_is_set_aside_by_seed() -> None:
    raw = RawData("toy", LabelledImages(np.arange(40, dtype=np.uint8).repeat(16).reshape(40, 4, 4, 1), [0, 1] * 20))
    first, again, other = (assemble(raw, test_fraction=0.25, seed=seed) for seed in (0, 0, 1))
    assert (len(first.train), len(first.test)) == (30, 10)
    assert first.test.labels.bincount().tolist() == [5, 5]
    assert torch.equal(first.test.images, again.test.images)
    assert not torch.equal(first.test.images, other.test.images)
    values = torch.cat([first.train.images[:, 0, 0, 0], first.test.images[:, 0, 0, 0]])
    assert sorted(values.tolist()) == list(range(40))


def test_grey_images_beside_coloured_ones_get_three_channels() -> None:
    task = assemble(RawData("toy", labelled([0, 1]), labelled([0], channels=1, value=9)))
    assert task.test.images.shape == (1, 3, 4, 4)
    assert task.test.images.unique().tolist() == [9]


def test_flip_is_the_data_set_s_unless_said_otherwise() -> None:
    raw = RawData("toy", labelled([0, 1]), labelled([0]), flip=False)
    assert assemble(raw).flip is False
    assert assemble(raw, flip=True).flip is True


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (RawData("toy", labelled([5, 5])), "only the class '5'; a classifier needs at least two"),
        (RawData("toy", labelled([]), None), "have no images"),
        (RawData("toy", labelled([0, int(1e300)])), "has a label of more than 64 bits"),
        (RawData("toy", labelled([0, 1]), labelled([])), "no test images"),
        (RawData("toy", labelled([0, 1]), labelled([2])), "test images of 'toy' have the class '2', which no training"),
        (
            RawData("toy", labelled([0, 1]), labelled([0], size=3)),
            "images of 'toy' have 2 different sizes, such as 3 x 3 and 4 x 4; add --image-size N",
        ),
    ],
)
def test_unusable_data_is_refused(raw: RawData, message: str) -> None:
    with pytest.raises(DataError, match=message):
        assemble(raw)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_the_test_fraction_lies_between_zero_and_one(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        assemble(RawData("toy", labelled([0, 1])), test_fraction=fraction)


def test_grey_images_lie_in_memory_as_coloured_ones_do():
    """With the strides of channels last, which one channel allows, convolutions take another path."""
    task = load_task("digits")
    for images in (task.train.images, task.batch(4, generator(0))[0]):
        assert images.shape[1:] == (1, 8, 8)
        assert images.stride() == (64, 64, 8, 1)


def noisy(labels: list[int | str], seed: int = 0) -> LabelledImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 4, 4, 3), dtype=np.uint8)
    return LabelledImages(pixels, labels)


def test_the_digest_is_of_everything_and_of_its_order() -> None:
    base = RawData("toy", noisy([0, 1, 0, 1]), noisy([0, 1], seed=1))
    same = assemble(base).digest
    assert same == assemble(RawData("other name", noisy([0, 1, 0, 1]), noisy([0, 1], seed=1))).digest
    pixels = base.train.images.copy()
    pixels[3, 3, 3, 2] ^= 1
    others = [
        RawData("toy", noisy([1, 0, 0, 1]), base.test),
        RawData("toy", LabelledImages(pixels, base.train.labels), base.test),
        RawData("toy", LabelledImages(base.train.images[::-1].copy(), [1, 0, 1, 0]), base.test),
        RawData("toy", base.train, noisy([0, 1], seed=2)),
        RawData("toy", base.train, base.test, label_names={0: "a", 1: "b"}),
        RawData("toy", base.train, base.test, validation=noisy([0, 1], seed=3)),
    ]
    assert len({same, *(assemble(raw).digest for raw in others)}) == 1 + len(others)
    assert assemble(base).describe()["digest"] == same


def test_classes_that_cannot_be_learned_or_judged_are_told() -> None:
    task = assemble(RawData("toy", noisy(["cat"] * 5 + ["dog"] * 5 + ["emu"])))
    assert task.remarks == (
        "The class 'emu' has a single training image: it can hardly be learned.",
        "The class 'emu' has no test image: its accuracy cannot be told, and is null.",
    )
    several = assemble(RawData("toy", noisy([*range(5)]), noisy([0]))).remarks
    assert several[0].startswith("The classes '0', '1', '2' and 2 more have a single training image")
    assert several[1].startswith("The classes '1', '2', '3' and 1 more have no test image")
    assert assemble(RawData("toy", noisy([0, 1] * 5))).remarks == ()


def test_images_that_are_all_the_same_are_told() -> None:
    assert assemble(RawData("toy", labelled([0, 1] * 5))).remarks == (
        "All training images are the same: nothing can be learned from them.",
    )


def test_mapped_images_are_divided_without_being_read(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "pixels", np.uint8, mode="w+", shape=(10, 3, 4, 4))
    file[:] = np.random.default_rng(0).integers(0, 256, file.shape, dtype=np.uint8)
    mapped = assemble(RawData("toy", LabelledImages(file.transpose(0, 2, 3, 1), [0, 1] * 5)))
    plain = assemble(RawData("toy", LabelledImages(np.array(file).transpose(0, 2, 3, 1).copy(), [0, 1] * 5)))
    assert mapped.train.mapped
    assert not plain.train.mapped
    assert mapped.digest == plain.digest
    assert mapped.mean == plain.mean
    for one, other in ((mapped.train, plain.train), (mapped.test, plain.test)):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    halves = [task.divided(0.5, 3) for task in (mapped, plain)]
    assert torch.equal(halves[0][0].examples.images, halves[1][0].examples.images)
    joined = [task.union(parts) for task, parts in zip((mapped, plain), halves, strict=True)]
    assert joined[0].examples.mapped
    assert torch.equal(joined[0].examples.images, joined[1].examples.images)
    passes = [torch.cat([batch.inputs[0] for batch in part.first(3).passing(2)]) for part in joined]
    assert torch.equal(*passes)
    crops = [task.patches(5, 3, 2, generator(1)) for task in (mapped, plain)]
    assert torch.equal(*crops)
    assert torch.equal(mapped.train.expanded(3).images, mapped.train.images)
