from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import load_task
from nascence.tasks.sizes import SeveralSizesError

Encode = Callable[..., bytes]


def test_class_folders(class_folders: Path) -> None:
    task = load_task(str(class_folders))
    assert task.name == "pets"
    assert task.class_names == ("cat", "dog")
    assert task.train.images.shape == (16, 1, 6, 6)
    assert task.test.labels.bincount().tolist() == [2, 2]
    assert task.flip
    for part in (task.train, task.test):
        assert torch.equal(part.images[:, 0, 3, 3] > 100, part.labels == 1)


@pytest.mark.parametrize("test_name", ["test", "val", "valid", "validation"])
def test_train_and_test_above_the_class_folders(class_folders: Path, test_name: str) -> None:
    for split in ("train", test_name):
        for name in ("cat", "dog"):
            (class_folders / split / name).mkdir(parents=True)
    for name in ("cat", "dog"):
        for file in (class_folders / name).iterdir():
            split = test_name if file.stem == "3" else "train"
            file.rename(class_folders / split / name / file.name)
        (class_folders / name).rmdir()
    task = load_task(str(class_folders))
    assert (len(task.train), len(task.test)) == (18, 2)
    assert task.test.images[:, 0, 3, 3].tolist() == [23, 203]


def test_validation_beside_test_is_a_part_of_its_own(tmp_path: Path, encode: Encode) -> None:
    root = tmp_path / "three"
    for split, value in (("train", 10), ("val", 20), ("test", 30)):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            (root / split / name / "x.png").write_bytes(encode(value))
    task = load_task(str(root))
    assert sorted(task.train.images[:, 0, 3, 3].tolist()) == [10, 10]
    assert sorted(task.validation.images[:, 0, 3, 3].tolist()) == [20, 20]
    assert task.test.images[:, 0, 3, 3].tolist() == [30, 30]
    assert task.describe()["validation_images"] == 2
    together = load_task(str(root), validation="train")
    assert sorted(together.train.images[:, 0, 3, 3].tolist()) == [10, 10, 20, 20]
    assert together.validation is None
    (root / "val" / "c").mkdir()
    (root / "val" / "c" / "x.png").write_bytes(encode(9))
    with pytest.raises(DataError, match="validation images of 'three' have the class 'c', which no training image has"):
        load_task(str(root))


def test_hidden_and_system_files_are_passed_over_and_deeper_folders_read(class_folders: Path, encode: Encode) -> None:
    (class_folders / "cat" / ".DS_Store").write_text("x")
    (class_folders / "cat" / "Thumbs.db").write_text("x")
    (class_folders / ".git").mkdir()
    (class_folders / "README.txt").write_text("my pets")
    (class_folders / "cat" / "young").mkdir()
    (class_folders / "cat" / "young" / "1.png").write_bytes(encode(33, mode="L"))
    task = load_task(str(class_folders))
    assert len(task.train) + len(task.test) == 21
    assert task.class_names == ("cat", "dog")


def test_an_image_size_mends_different_sizes(class_folders: Path, encode: Encode) -> None:
    (class_folders / "cat" / "big.png").write_bytes(encode(50, (20, 12), mode="L"))
    with pytest.raises(SeveralSizesError, match="2 different sizes, such as 6 x 6 and 12 x 20") as caught:
        load_task(str(class_folders))
    assert caught.value.suggested == 6, "the shorter side of most"
    assert load_task(str(class_folders), image_size=8).image_size == (8, 8)


def damage(root: Path, how: str) -> None:
    if how == "text":
        (root / "cat" / "notes.txt").write_text("not an image")
    elif how == "truncated":
        file = root / "dog" / "4.png"
        file.write_bytes(file.read_bytes()[:50])
    elif how == "empty class":
        (root / "cow").mkdir()
    elif how == "loose":
        (root / "cat" / "1.png").rename(root / "a.png")
    elif how == "one class":
        for file in (root / "dog").iterdir():
            file.unlink()
        (root / "dog").rmdir()
    elif how == "odd split":
        (root / "train" / "x").mkdir(parents=True)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("text", r"cat/notes\.txt is not an image or is damaged"),
        ("truncated", r"dog/4\.png is not an image or is damaged"),
        ("empty class", r"class folder .*cow is empty"),
        ("loose", r"a\.png lies outside the class folders; expected .*/CLASS/a\.png"),
        ("one class", r"only the class 'cat'; a classifier needs at least two"),
        ("odd split", r"has 'cat' beside its train folder; expected train, test or val only"),
    ],
)
def test_bad_folders_are_refused(class_folders: Path, how: str, message: str) -> None:
    damage(class_folders, how)
    with pytest.raises(DataError, match=message):
        load_task(str(class_folders))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="neither class folders nor parquet files"):
        load_task(str(tmp_path / "void"))
    (tmp_path / "void" / "train").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        load_task(str(tmp_path / "void"))
