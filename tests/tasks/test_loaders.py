"""Kinds of data: recognised, asked for, their settings, and one line for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from nascence.api.inputs import data_source, load_source
from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.tasks import TASKS, ImageClassification, Loader, describe_datasets, load_task
from nascence.tasks.loaders import NoSettings, choose, no_image_size, read_settings
from nascence.tasks.sources import Request
from nascence.testing import ToyDenoising


@dataclass(frozen=True, kw_only=True)
class SquareSettings:
    """``pictures``: how many. ``sigma``: of the noise."""

    pictures: int = 24
    sigma: float = 0.2


class SquaresLoader(Loader):
    kind = "squares"
    settings = SquareSettings

    def recognises(self, path):
        return path.suffix == ".squares"

    def load(self, data, path, settings, request):
        no_image_size(request, self.kind)
        return ToyDenoising.make(settings.pictures, seed=request.seed)


@pytest.fixture(autouse=True)
def _squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS._entries, "squares", SquaresLoader)


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    (tmp_path / "some").mkdir()
    path = tmp_path / "some" / "a.squares"
    path.touch()
    return path


def test_what_recognises_the_data_reads_them(squares: Path) -> None:
    assert load_task(str(squares)).name == "toy-denoising"
    assert load_task("some/a.squares", squares.parent.parent).name == "toy-denoising"
    assert isinstance(load_task("digits"), ImageClassification)


def test_the_kind_can_be_said_and_settings_decide_too(squares: Path, tmp_path: Path) -> None:
    other = tmp_path / "folder"
    other.mkdir()
    assert choose("squares", other).kind == choose(None, other, ["pictures=3"]).kind == "squares"
    assert choose(None, other).kind == choose(None, other, ["flip=no"]).kind == "classify"
    assert len(load_task(str(squares), task="squares", pictures=30).part("train")) == 30
    assert len(load_task(str(squares), settings=["pictures=26"]).part("train")) == 26


def test_unknown_kinds_and_settings_list_the_known_ones(squares: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown task 'square'\. Did you mean 'squares'\?"):
        load_task("digits", task="square")
    with pytest.raises(UnknownNameError, match=r"Unknown setting of a task 'sigmas'.*sigma"):
        load_task("digits", settings=["sigmas=1"])
    with pytest.raises(UnknownNameError, match="flip"):
        load_task(str(squares), settings=["flip=no"])
    with pytest.raises(SettingError, match="not one text"):
        load_task("digits", settings="flip=no")
    with pytest.raises(DataError, match="--image-size does not go with --task squares"):
        load_task(str(squares), image_size=8)


def test_settings_come_from_texts_and_from_values() -> None:
    loader = SquaresLoader()
    assert read_settings(loader, ["sigma=0.5"]) == read_settings(loader, {"sigma": "0.5"}) == SquareSettings(sigma=0.5)
    assert read_settings(loader, {"sigma": 1, "pictures": 3}) == SquareSettings(sigma=1.0, pictures=3)
    assert read_settings(choose("classify", None), {}).test_fraction == 0.2
    assert NoSettings() == NoSettings()


def test_a_run_remembers_how_its_data_are_read(squares: Path) -> None:
    source = data_source(str(squares), None, None, None, ["pictures=26"])
    assert source["loading"] == {"task": "squares", "settings": {"pictures": 26, "sigma": 0.2}}
    assert len(load_source(source).part("train")) == 26  # type: ignore[attr-defined]
    assert "loading" not in data_source("digits", None, None)
    assert data_source("digits", None, None, None, ["test_fraction=0.5"])["loading"]["task"] == "classify"


def test_data_that_other_tasks_recognise_are_listed(squares: Path) -> None:
    found = {entry["name"]: entry["kind"] for entry in describe_datasets(squares.parent.parent)}
    assert found["some/a.squares"] == "squares"


def test_no_image_size_lets_others_pass(tmp_path: Path) -> None:
    no_image_size(Request(data_dir=tmp_path), "squares")


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: object, path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path / "raw"))

    monkeypatch.setattr("nascence.tasks.graphs.loader.NodesLoader.recognises", refused)
    with pytest.raises(DataError, match="has neither class folders nor parquet files"):
        load_task(str(tmp_path))
