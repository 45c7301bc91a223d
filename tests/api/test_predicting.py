from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import nascence
from nascence.errors import DataError, RunError, SettingError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.tasks import load_task


@pytest.fixture
def run(search_toy: Any) -> RunDirectory:
    result = search_toy()
    nascence.train(result.run.path, epochs=2, progress=False)
    return result.run


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Twelve test images of digits as files."""
    images = load_task("digits").test.images[:12, 0].numpy()
    folder = tmp_path / "pictures"
    folder.mkdir()
    for at, pixels in enumerate(images):
        Image.fromarray(pixels, "L").save(folder / f"{at:02}.png")
    (folder / "notes.txt").write_text("no image")
    return sorted(folder.glob("*.png"))


def test_classes_are_those_of_the_network_on_the_same_pixels(run: RunDirectory, pictures: list[Path]) -> None:
    task = load_task("digits")
    logits = nascence.load_model(run.path)(task.normalise(task.test.images[:12])).detach()
    share = logits.double().softmax(1)
    for paths in (pictures, [pictures[0].parent]):
        found = nascence.predict(run, paths, batch_size=5)
        assert found.columns["file"] == [str(path) for path in pictures]
        assert found.columns["class"] == [task.class_names[at] for at in share.argmax(1).tolist()]
        assert found.columns["probability"] == pytest.approx(share.amax(1).tolist(), abs=1e-6)
        row = found.rows()[3]
        assert sum(row[f"probability of {name}"] for name in task.class_names) == pytest.approx(1)
    assert nascence.predict(run, pictures, batch_size=1).columns["class"] == found.columns["class"]


def test_tables_of_three_kinds(run: RunDirectory, pictures: list[Path], tmp_path: Path) -> None:
    found = nascence.predict(run, pictures, out=tmp_path / "to" / "a.csv")
    with (tmp_path / "to" / "a.csv").open(newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == found.columns["class"]
    nascence.predict(run, pictures, out=tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == found.rows()
    nascence.predict(run, pictures, out=tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == found.rows()
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(RunError, match="exists already; choose another --out, or replace it with --overwrite"):
        nascence.predict(run, pictures[:1], out=tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == before
    nascence.predict(run, pictures[:1], out=tmp_path / "a.json", overwrite=True)
    assert len(read_json(tmp_path / "a.json")) == 1


def test_other_sizes_and_colours_are_brought_to_the_training_images(run: RunDirectory, tmp_path: Path) -> None:
    grey = np.full((30, 20), 200, np.uint8)
    Image.fromarray(grey, "L").save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, 2), "RGB").save(tmp_path / "colour.png")
    found = nascence.predict(run, [tmp_path / "grey.png", tmp_path / "colour.png"])
    assert len(set(found.columns["class"])) == 1
    first, second = found.columns["probability"]
    assert first == pytest.approx(second, abs=1e-6)


def test_what_cannot_be_predicted_is_said(
    run: RunDirectory, search_toy: Any, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"PNG")
    (tmp_path / "empty").mkdir()
    for paths, error, message in [
        ([], SettingError, "Name images, or folders of them, to predict"),
        ([tmp_path / "none.png"], SettingError, "There is nothing at .*none.png"),
        ([tmp_path / "empty"], SettingError, "There is no image in"),
        ([tmp_path / "broken.png"], DataError, "broken.png is not an image or is damaged"),
    ]:
        with pytest.raises(error, match=message):
            nascence.predict(run, paths, out=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(SettingError, match=r"ends in none of \.csv, \.json, \.parquet"):
        nascence.predict(run, pictures, out=tmp_path / "out.txt")
    with pytest.raises(SettingError, match="at least 1 example, not 0"):
        nascence.predict(run, pictures, batch_size=0)
    with pytest.raises(RunError, match="has no trained model yet"):
        nascence.predict(search_toy("other").run, pictures)


def test_names_that_are_no_utf_8_are_spelt_out(run: RunDirectory, pictures: list[Path], tmp_path: Path) -> None:
    odd = pictures[0].with_name(os.fsdecode(b"caf\xe9.png"))
    pictures[0].rename(odd)
    for ending in ("csv", "json", "parquet"):
        assert nascence.predict(run, [odd], out=tmp_path / f"a.{ending}").columns["file"] == [str(odd)]
    assert pq.read_table(tmp_path / "a.parquet").to_pylist()[0]["file"].endswith(r"caf\udce9.png")
    assert read_json(tmp_path / "a.json")[0]["file"] == str(odd)


def test_files_of_a_folder_that_count_as_data_are_predicted(run: RunDirectory, pictures: list[Path]) -> None:
    folder = pictures[0].parent
    for place in (".hidden", "__MACOSX", "@eaDir"):
        (folder / place).mkdir()
        shutil.copy(pictures[0], folder / place / "a.png")
    os.mkfifo(folder / "pipe.png")
    assert nascence.predict(run, [folder]).columns["file"] == [str(path) for path in pictures]
    with pytest.raises(DataError, match=r"pipe\.png is a pipe"):
        nascence.predict(run, [folder / "pipe.png"])
    (folder / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png is a link to nowhere\.png, which is not there"):
        nascence.predict(run, [folder])


def test_a_table_takes_the_place_of_a_link_and_leaves_what_it_leads_to(
    run: RunDirectory, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("not ours")
    for at, target in enumerate(("other", "nowhere")):
        out = tmp_path / f"{at}.csv"
        out.symlink_to(target)
        nascence.predict(run, pictures, out=out, overwrite=True)
        assert not out.is_symlink()
    assert (tmp_path / "other").read_text() == "not ours"
    assert not (tmp_path / "nowhere").exists()
