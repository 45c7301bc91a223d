from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import ImageClassification, load_task

Arrays = tuple[np.ndarray, np.ndarray]


def load(tmp_path: Path, **stored: Any) -> ImageClassification:
    np.savez(tmp_path / "toy.npz", **stored)
    return load_task(str(tmp_path / "toy.npz"))


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
def test_train_and_test(tmp_path: Path, arrays: Arrays, names: tuple[str, ...]) -> None:
    images, labels = arrays
    task = load(tmp_path, **dict(zip(names, (images[:15], labels[:15], images[15:], labels[15:]), strict=True)))
    assert task.name == "toy"
    assert torch.equal(task.train.images, torch.from_numpy(images[:15]).permute(0, 3, 1, 2))
    assert task.test.labels.tolist() == labels[15:].tolist()


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_without_test_images_a_part_is_set_aside(tmp_path: Path, arrays: Arrays, names: tuple[str, str]) -> None:
    task = load(tmp_path, **dict(zip(names, arrays, strict=True)))
    assert (len(task.train), len(task.test)) == (16, 4)


def same(first: ImageClassification, second: ImageClassification) -> bool:
    return torch.equal(first.train.images, second.train.images) and torch.equal(first.train.labels, second.train.labels)


def test_every_layout_and_type_gives_the_same_task(tmp_path: Path, arrays: Arrays) -> None:
    images, labels = arrays
    expected = load(tmp_path, x=images, y=labels)
    assert same(load(tmp_path, x=images.transpose(0, 3, 1, 2), y=labels), expected)
    assert same(load(tmp_path, x=images / 255, y=labels), expected)
    assert same(load(tmp_path, x=(images / 255).astype(np.float32), y=labels), expected)
    assert same(load(tmp_path, x=images.astype(np.int64), y=labels[:, None]), expected)
    assert same(load(tmp_path, x=images, y=labels.astype(np.float64)), expected)
    assert same(load(tmp_path, x=np.concatenate([images, images[..., :1]], 3), y=labels), expected)
    texts = load(tmp_path, x=images, y=np.array(["no", "yes"])[labels])
    assert same(texts, expected)
    assert texts.class_names == ("no", "yes")


def test_grey_and_black_and_white_images(tmp_path: Path, arrays: Arrays) -> None:
    images, labels = arrays
    assert load(tmp_path, x=images[..., 0], y=labels).train.images.shape == (16, 1, 5, 4)
    assert load(tmp_path, x=images[..., 0] > 99, y=labels).train.images.unique().tolist() == [0, 255]


def test_validation_counts_as_test_only_where_there_is_no_test(tmp_path: Path, arrays: Arrays) -> None:
    x, y = arrays
    stored = {"x_train": x[:10], "y_train": y[:10], "x_val": x[10:16], "y_val": y[10:16]}
    assert len(load(tmp_path, **stored).test) == 6
    task = load(tmp_path, **stored, x_test=x[16:], y_test=y[16:])
    assert (len(task.train), len(task.validation), len(task.test)) == (10, 6, 4)


def test_an_image_size_applies(tmp_path: Path, arrays: Arrays) -> None:
    np.savez(tmp_path / "toy.npz", x=arrays[0], y=arrays[1])
    assert load_task(str(tmp_path / "toy.npz"), image_size=3).image_size == (3, 3)


def test_arrays_that_cannot_serve_are_refused(tmp_path: Path, arrays: Arrays) -> None:
    x, y = arrays
    not_a_number = y.astype(np.float64)
    not_a_number[3] = np.nan
    cases: list[tuple[dict[str, Any], str]] = [
        ({"a": x, "b": y}, r"needs the arrays 'x_train' and 'y_train' \(or 'images' and 'labels'\), but has: a, b"),
        ({"x": x}, "has the array 'x' but not 'y'"),
        ({"x": x, "y": y, "y_test": y}, "has the array 'y_test' but not 'x_test'"),
        ({"x": x[:19], "y": y}, "19 images in 'x' but 20 labels in 'y'"),
        ({"x": x.reshape(20, -1), "y": y}, r"'x' in .* has the shape \[20, 60\]; expected \[N, H, W\]"),
        ({"x": x[:0], "y": y[:0]}, "is empty"),
        ({"x": x * 1.0, "y": y}, "has floats from 0 to 255; expected 0 to 1"),
        ({"x": np.where(x == x[0, 0, 0, 0], np.nan, 0.5), "y": y}, "expected 0 to 1"),
        ({"x": x.astype(np.int64) + 1000, "y": y}, "outside 0 to 255"),
        ({"x": x.astype(str), "y": y}, "has values of type <U3 outside 0 to 255"),
        ({"x": x.astype(bytes), "y": y}, "has values of type |S3 outside 0 to 255"),
        ({"x": x.view([("grey", "u1")]), "y": y}, "'x' in .* has values of type"),
        ({"x": x.astype(complex), "y": y}, "has values of type complex128 outside 0 to 255"),
        ({"x": x, "y": np.where(y == 0, 1e300, 1.0)}, "has a label of more than 64 bits"),
        ({"x": x, "y": not_a_number}, "'y' in .* has missing labels"),
        ({"x": x, "y": np.eye(2)[y]}, r"has the shape \[20, 2\]; expected one label per image"),
        ({"x": x, "y": np.array([None] * 20, object)}, "no valid .npz file of plain arrays"),
        ({"x": x, "y": y * 0}, "only the class '0'"),
        ({"x_train": x, "y_train": y, "x_test": x[:, :4], "y_test": y}, "2 different sizes, such as 4 x 4 and 5 x 4"),
    ]
    for stored, message in cases:
        with pytest.raises(DataError, match=message):
            load(tmp_path, **stored)


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"PK\x03\x04rubbish"])
def test_a_damaged_file_is_named(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "toy.npz").write_bytes(rubbish)
    with pytest.raises(DataError, match=r"toy\.npz is no valid \.npz"):
        load_task(str(tmp_path / "toy.npz"))


def test_a_single_array_is_refused(tmp_path: Path, arrays: Arrays) -> None:
    with (tmp_path / "toy.npz").open("wb") as file:
        np.save(file, arrays[0])
    with pytest.raises(DataError, match="holds a single array"):
        load_task(str(tmp_path / "toy.npz"))
