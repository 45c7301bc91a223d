from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nascence.api import inputs
from nascence.api.inputs import (
    data_source,
    data_text,
    describe_task,
    load_source,
    network_size,
    reload_task,
    settled,
    slug,
)
from nascence.errors import DataError, RunError, SettingError
from nascence.runs import RunDirectory
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import ImageClassification, ImageSet, Task, decoding, load_task
from nascence.tasks.graphs.geometric import as_data
from nascence.testing.toy_denoising import ToyDenoising
from nascence.testing.toy_graph import toy_graph_task


def images(count: int, size: int) -> ImageClassification:
    data = ImageSet(torch.zeros(count, 3, size, size, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64))
    return replace(load_task("digits"), train=data, test=data)


def test_data_are_a_name_or_a_path() -> None:
    assert data_text("digits") == "digits"
    assert data_text(Path("a") / "b.npz") == "a/b.npz"
    assert data_source(Path("digits"), None, None)["data"] == "digits"
    with pytest.raises(DataError, match="a name or a path, since a run reads it again, not a list"):
        data_source([1, 2], None, None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="write_graph writes a graph like this one"):
        data_text(as_data(toy_graph_task()))


def test_the_default_size_follows_the_data() -> None:
    bench, darts = get_space("nas-bench-201"), get_space("darts")
    assert network_size(bench, images(5_000, 32)) == bench.networks["evaluation"]
    assert network_size(darts, images(5_000, 32)) == darts.networks["evaluation"]
    for small in (images(4_999, 32), images(5_000, 16), load_task("digits")):
        assert network_size(bench, small) == NetworkConfig(channels=16, depth=1)
        assert network_size(darts, small) == NetworkConfig(channels=16, depth=4)


def test_either_part_of_the_size_can_be_given() -> None:
    space, task = get_space("nas-bench-201"), images(5_000, 32)
    assert network_size(space, task, channels=8) == NetworkConfig(channels=8, depth=5)
    assert network_size(space, task, depth=2) == NetworkConfig(channels=16, depth=2)
    for wrong in ({"channels": 0}, {"depth": -1}):
        with pytest.raises(SettingError, match=f"{next(iter(wrong))} of the network must be at least 1"):
            network_size(space, task, **wrong)


@pytest.mark.parametrize("place", ["loop", "~nobody-here", "x" * 300, "a/" * 3000])
def test_odd_folders_of_data_hold_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    if not place.startswith("~"):
        assert data_source("digits", place, None)["data"] == "digits"
    for data in (f"{place}/pictures", f"./{place}"):
        with pytest.raises((DataError, OSError)):  # the system says that a name is too long
            settled(data_source(data, place, None))


def test_a_path_is_kept_absolute_and_a_name_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((8, 4, 4, 1), np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=pixels, y_train=np.arange(8) % 2)
    assert data_source("mine.npz", None, 8)["data"] == str(tmp_path / "mine.npz")
    assert data_source("mine.npz", None, 8)["image_size"] == 8
    assert data_source("digits", None, None)["data"] == "digits"
    named = data_source("mine", ".", None)
    assert named["data"] == "mine"
    assert named["data_dir"] == str(tmp_path)
    monkeypatch.chdir("/")
    assert len(load_source(named).test) > 0


def test_photographs_of_several_sizes_are_brought_to_one_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, sizes in {"cat": [(40, 90), (50, 70), (60, 60)], "dog": [(48, 64), (64, 48), (70, 52)]}.items():
        (tmp_path / name).mkdir()
        for at, size in enumerate(sizes):
            Image.new("RGB", size, (9 * at, 0, 0)).save(tmp_path / name / f"{at}.png")
    given = data_source(str(tmp_path), None, None)
    source, task = settled(given)
    assert given["image_size"] is None
    assert source == {**given, "image_size": 48}
    assert task.image_size == (48, 48)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "6 different sizes" in told
    assert "all are brought to 48 x 48" in told
    assert "--image-size N" in told
    chosen, task = settled(data_source(str(tmp_path), None, 16))
    assert (chosen["image_size"], task.image_size) == (16, (16, 16))
    assert capsys.readouterr().err == ""
    assert load_source(source).image_size == (48, 48), "a run finds them again"


def test_a_task_is_described_for_json() -> None:
    described = describe_task(load_task("digits"))
    assert described["input_shape"] == [1, 8, 8]
    assert described["class_names"] == list("0123456789")
    assert described["train_images"] + described["test_images"] == 1797


@pytest.mark.parametrize(
    ("data", "name"), [("digits", "digits"), ("/a/b c.npz", "b-c"), ("photos/", "photos"), ("../..", "data")]
)
def test_slug(data: str, name: str) -> None:
    assert slug(data) == name


# Data that change -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for at in range(6):
            pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{at}.png")
    return tmp_path / "pets"


def swap(one: Path, other: Path) -> None:
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "labels swapped": (
        lambda pets: swap(pets / "cat/0.png", pets / "dog/0.png"),
        "images, their labels or their order",
    ),
    "two changed places": (lambda pets: swap(pets / "cat/0.png", pets / "cat/1.png"), "images, their labels"),
    "one replaced": (lambda pets: (pets / "cat/0.png").write_bytes((pets / "cat/1.png").read_bytes()), "images, their"),
    "one renamed": (
        lambda pets: (pets / "cat/0.png").rename(pets / "cat/9.png"),
        "images, their labels or their order",
    ),
    "one moved": (lambda pets: (pets / "cat/0.png").rename(pets / "dog/9.png"), "images|number of"),
    "one added": (
        lambda pets: (pets / "cat/8.png").write_bytes((pets / "cat/1.png").read_bytes()),
        "number of training",
    ),
    "a class renamed": (lambda pets: (pets / "cat").rename(pets / "cow"), "names of the classes"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_data_that_changed_since_a_run_began_are_noticed(
    pets: Path, tmp_path: Path, change: tuple[Callable[[Path], object], str]
) -> None:
    source = data_source(str(pets), None, None)
    config = {"kind": "search", **source, "task": describe_task(load_source(source))}
    run = RunDirectory.create(tmp_path / "run", config)
    assert reload_task(run).name == "pets"
    (pets / "cat" / "0.png").touch()
    (pets / ".hidden").touch()
    (pets / "cat" / "5.png").rename(pets / "cat" / "5a.png")  # in the same place of the order
    reload_task(run)
    alter, message = change
    alter(pets)
    with pytest.raises(RunError, match=rf"The data '.*pets' changed since .*run began \(.*{message}"):
        reload_task(run)


def test_runs_of_earlier_versions_have_no_digest(pets: Path, tmp_path: Path) -> None:
    source = data_source(str(pets), None, None)
    remembered = {name: value for name, value in describe_task(load_source(source)).items() if name != "digest"}
    run = RunDirectory.create(tmp_path / "run", {"kind": "search", **source, "task": remembered})
    assert reload_task(run).name == "pets"


def test_remarks_are_told_once(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pets / "cat" / "Thumbs.db").touch()
    source = data_source(str(pets), None, None)
    config = {"kind": "search", **source, "task": describe_task(load_source(source))}
    assert "Note: 1 file or folder was passed over" in capsys.readouterr().err
    reload_task(RunDirectory.create(tmp_path / "run", config))
    assert capsys.readouterr().err == ""


def test_long_reading_shows_how_far_it_is(
    pets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inputs, "PATIENCE", -1.0)
    monkeypatch.setattr(decoding, "_LARGE", 0)  # one at a time
    load_source(data_source(str(pets), None, None))
    assert "Reading the data" in capsys.readouterr().err
    monkeypatch.setattr(inputs, "PATIENCE", 1e9)
    load_source(data_source(str(pets), None, None))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("space", "data", "words"),
    [
        ("sane", load_task("digits"), "sane read a graph, and these data are none"),
        ("nas-bench-201", toy_graph_task(), "nas-bench-201 tell images with classes apart"),
        ("fbnetv2", ToyDenoising.make(), "fbnetv2 tell images with classes apart"),
    ],
)
def test_a_space_that_cannot_read_the_data_is_refused(space: str, data: Task, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        network_size(get_space(space), data)
