from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascence.cache import cache_folder
from nascence.errors import DataError, NascenceError, UnknownNameError
from nascence.tasks import DATASETS, describe_datasets, find_data_dir, is_named, load_task


def test_the_data_folder_is_argument_then_environment_then_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_data_dir() == cache_folder() == tmp_path / "cache" / "nascence"
    monkeypatch.setenv("NASCENCE_DATA", "/elsewhere")
    assert find_data_dir() == Path("/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_data_dir("~/mine") == tmp_path / "home" / "mine"


def test_a_name_in_the_data_folder(class_folders: Path, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    folder = class_folders.parent
    np.savez(folder / "arrays.npz", x=arrays[0], y=arrays[1])
    assert load_task("pets", folder).class_names == ("cat", "dog")
    assert load_task("arrays", folder).image_size == (5, 4)


def test_a_path_needs_no_data_folder(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(class_folders.parent)
    for data in ("pets", "./pets", str(class_folders)):
        assert load_task(data, "/nowhere").name == "pets"


def test_a_built_in_name_goes_before_a_folder(tmp_path: Path) -> None:
    (tmp_path / "digits" / "cat").mkdir(parents=True)
    assert load_task("digits", tmp_path).num_classes == 10


def test_an_unknown_name_lists_the_known_ones(class_folders: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown data set 'digit'\. Did you mean 'digits'\? .*cifar10.*pets"):
        load_task("digit", class_folders.parent)


@pytest.mark.parametrize("data", ["no/such/place", "missing.npz", "./missing"])
def test_a_missing_path_is_named(data: str) -> None:
    with pytest.raises(DataError, match=r"There is nothing at .*; expected a folder of class folders"):
        load_task(data)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"data\.csv is no data set"):
        load_task(str(tmp_path / "data.csv"))


@pytest.mark.parametrize("size", [0, -3])
def test_an_impossible_image_size_is_refused(size: int) -> None:
    with pytest.raises(DataError, match="at least 1 pixel"):
        load_task("digits", image_size=size)


def test_every_error_is_one_sentence(tmp_path: Path) -> None:
    for data in ("digit", "no/such/place", "cifar10", str(tmp_path)):
        with pytest.raises(NascenceError) as caught:
            load_task(data, tmp_path / "data")
        message = str(caught.value)
        assert "\n" not in message
        assert message.endswith(".")


def test_describe_lists_what_is_built_in_and_what_is_found(
    class_folders: Path, arrays: tuple[np.ndarray, np.ndarray]
) -> None:
    folder = class_folders.parent
    np.savez(folder / "arrays.npz", x=arrays[0], y=arrays[1])
    (folder / "tables").mkdir()
    (folder / "tables" / "other.parquet").write_bytes(b"no images")
    (folder / "graphs" / "raw").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    found = {entry["name"]: entry for entry in describe_datasets(folder)}
    assert list(found) == ["digits", "cifar10", "arrays", "pets"]
    assert found["digits"]["available"] is True
    assert found["cifar10"]["available"] is False
    pets = {"name": "pets", "kind": "class folders", "path": str(class_folders), "available": True, "note": ""}
    assert found["pets"] == pets
    assert "--download" in found["cifar10"]["note"]
    assert found["arrays"]["kind"] == "npz"
    shutil.rmtree(folder / "pets")
    assert "pets" not in {entry["name"] for entry in describe_datasets(folder)}


def test_describe_says_when_images_need_one_size(class_folders: Path, encode: Any) -> None:
    for file in (class_folders / "dog").iterdir():
        file.write_bytes(encode(size=(9, 6)))
    (entry,) = (entry for entry in describe_datasets(class_folders.parent) if entry["name"] == "pets")
    assert "--image-size" in entry["note"]
    with pytest.raises(DataError, match="--image-size"):
        load_task("pets", class_folders.parent)
    assert load_task("pets", class_folders.parent, image_size=6).num_classes == 2
    for file in (class_folders / "dog").iterdir():
        file.write_bytes(b"no image")
    assert [entry["note"] for entry in describe_datasets(class_folders.parent) if entry["name"] == "pets"] == [""]


def test_describe_tells_pictures_to_restore_from_classes(class_folders: Path) -> None:
    folder = class_folders.parent
    for name in ("restoration/Set12", "restoration/BSD68", "restoration/sr/Set5", "photos"):
        shutil.copytree(class_folders / "cat", folder / name)
    shutil.rmtree(folder / "photos")
    shutil.copytree(class_folders, folder / "photos" / "pets")
    found = {entry["name"]: entry["kind"] for entry in describe_datasets(folder)}
    assert found == {
        **{"digits": "built in", "cifar10": "built in", "pets": "class folders", "photos/pets": "class folders"},
        **dict.fromkeys(("restoration/BSD68", "restoration/Set12", "restoration/sr/Set5"), "pictures"),
    }
    for name in set(found) - {"digits", "cifar10"}:
        assert is_named(name, folder)


def test_names(class_folders: Path) -> None:
    folder = class_folders.parent
    assert is_named("digits", Path("/nowhere"))
    assert is_named("pets", folder)
    assert not is_named("pets", Path("/nowhere"))
    assert not is_named("./pets", folder)
    assert not is_named(str(class_folders), folder)


def test_describe_without_a_data_folder() -> None:
    assert [entry["name"] for entry in describe_datasets("/nowhere")] == DATASETS.names() == ["digits", "cifar10"]


def test_a_folder_that_may_not_be_read_is_named(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"pets cannot be read \(Permission denied\)\."):
        load_task(str(class_folders))
