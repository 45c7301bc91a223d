from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nascence.errors import DataError
from nascence.tasks import image_classes, load_task
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


def test_class_folders_one_folder_deeper_are_pointed_at(class_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()
    class_folders.rename(tmp_path / "unpacked" / "pets 2")
    with pytest.raises(DataError, match=r"only the folder 'pets 2'.*give --data '.*/unpacked/pets 2'$"):
        load_task(str(tmp_path / "unpacked"))


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is no data set; .* Unpack an archive first\.$"):
        load_task(str(tmp_path / "pets.zip"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="neither class folders nor parquet files"):
        load_task(str(tmp_path / "void"))
    (tmp_path / "void" / "train").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        load_task(str(tmp_path / "void"))


def classes(root: Path, *names: str, encode: Encode, count: int = 5) -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for at in range(count):
            (root / name / f"{at}.png").write_bytes(encode(10 + at, mode="L"))


@pytest.mark.parametrize(
    "names",
    [
        ("bus", "car", "train"),
        ("bus", "test", "train", "val"),
        ("airport", "bus_station", "train_station"),
        ("test_tube", "train_station"),
    ],
)
def test_classes_may_be_called_as_parts_are(tmp_path: Path, names: tuple[str, ...], encode: Encode) -> None:
    classes(tmp_path / "data", *names, encode=encode)
    assert load_task(str(tmp_path / "data")).class_names == names  # type: ignore[attr-defined]


def test_a_class_called_train_within_a_part(tmp_path: Path, encode: Encode) -> None:
    for part in ("train", "test"):
        classes(tmp_path / "data" / part, "bus", "train", "test", encode=encode)
    task = image_classes(load_task(str(tmp_path / "data")), "It")
    assert (task.class_names, len(task.train), len(task.test)) == (("bus", "test", "train"), 15, 15)


def test_what_could_be_meant_in_two_ways_is_refused(tmp_path: Path, encode: Encode) -> None:
    root = tmp_path / "data"
    classes(root / "train", "cat", "dog", encode=encode)
    classes(root, "unlabelled", encode=encode)
    with pytest.raises(
        DataError, match=r"'unlabelled' beside its train folder.* If 'train' is a class, its images must"
    ):
        load_task(str(root))
    (root / "unlabelled").rename(root / "test")
    with pytest.raises(DataError, match=r"has 'test' beside its train folder"):
        load_task(str(root))


@pytest.mark.parametrize("names", [("test",), ("test", "val"), ("train", "val"), ("train", "val", "test")])
def test_parts_without_classes_or_without_training_are_refused(
    tmp_path: Path, names: tuple[str, ...], encode: Encode
) -> None:
    root = tmp_path / "data"
    classes(root, *names, encode=encode)
    with pytest.raises(DataError, match=r"but no class folders in a train folder; expected .*/train/CLASS/IMAGE"):
        load_task(str(root))
    if "train" not in names:
        shutil.rmtree(root)
        for name in names:
            classes(root / name, "cat", "dog", encode=encode)
        with pytest.raises(DataError, match=r"no class folders in a train folder"):
            load_task(str(root))


def test_names_that_are_not_utf8_can_be_written_anywhere(class_folders: Path) -> None:
    os.rename(class_folders / "cat", os.fsencode(class_folders) + b"/caf\xe9")
    task = image_classes(load_task(str(class_folders)), "It")
    assert task.class_names == ("caf\\xe9", "dog")
    json.dumps(task.describe()).encode()
    (class_folders / "caf\\xe9").mkdir()
    (class_folders / "caf\\xe9" / "0.png").write_bytes((class_folders / "dog" / "0.png").read_bytes())
    with pytest.raises(DataError, match=r"Two class folders in .* have names that read 'caf\\xe9'"):
        load_task(str(class_folders))


def test_reasons_are_the_real_ones(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(self: Path, *arguments: object, **more: object) -> object:
        if self.name == "3.png":
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cat/3\.png cannot be read \(Permission denied\)\."):
        load_task(str(class_folders))
