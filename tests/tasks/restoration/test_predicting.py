"""A user's own pictures: restored into a folder, with a page, and nothing overwritten."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nascence.errors import DataError, RunError, SettingError
from nascence.tasks.restoration.decoding import decode_picture
from nascence.tasks.restoration.predicting import PAGE, predict_pictures
from nascence.tasks.restoration.restoring import restore


def network(scale=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, scale**2, 1), nn.PixelShuffle(scale))


def ask(paths, out, scale=1):
    return predict_pictures(network(scale).eval(), 1, list(paths), out, scale)


def test_files_and_folders(folder, tmp_path, random_picture, save, save_deep):
    single = save(tmp_path / "photo.bmp", random_picture(12, 20, 3))
    save_deep(folder / "deep.png", random_picture(10, 11, deep=True))
    found = ask([single, folder], tmp_path / "out")
    assert len(found["file"]) == 8
    assert found["file"][0] == str(single)
    for source, place in zip(found["file"], found["restored"], strict=True):
        picture, _ = decode_picture(Path(source))
        restored, _ = decode_picture(Path(place))
        assert restored.dtype == picture.dtype
        assert np.array_equal(restored, restore(network(), picture, 1))
    assert found["note"][-1] == "read in 16 bits"
    assert (found["width"][0], found["height"][0]) == (20, 12)


def test_the_page_shows_before_and_after(folder, tmp_path):
    ask([folder], tmp_path / "out")
    page = (tmp_path / "out" / PAGE).read_text()
    assert "6 restored pictures" in page
    assert len(re.findall("data:image/png;base64,", page)) == 12
    assert "3.png" in page
    assert "http" not in page


def test_larger_pictures(tmp_path, random_picture, save):
    source = save(tmp_path / "a.png", random_picture(10, 14))
    found = ask([source], tmp_path / "out", scale=2)
    assert (found["width"], found["height"]) == ([28], [20])


def test_nothing_is_overwritten(tmp_path, random_picture, save):
    source, out = save(tmp_path / "a.png", random_picture(10, 14)), tmp_path / "out"
    ask([source], out)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(RunError, match=r"a\.png exists already"):
        ask([source], out)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_a_truncated_file_among_many(folder, tmp_path):
    """Named before anything is restored; left out where that is asked for."""
    whole = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"2\.png .*Or leave such files out with --skip-damaged"):
        ask([folder], out)
    assert not out.exists()
    found = predict_pictures(network().eval(), 1, [folder], out, skip_damaged=True)
    assert len(found["file"]) == 6
    assert [place == "" for place in found["restored"]] == [False, False, True, False, False, False]
    assert found["note"][2].startswith("left out: ")
    assert sorted(file.name for file in out.glob("*.png")) == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert "5 restored pictures" in (out / PAGE).read_text()
    with pytest.raises(DataError, match="None of the 1 pictures can be read"):
        predict_pictures(network().eval(), 1, [folder / "2.png"], tmp_path / "other", skip_damaged=True)


def test_what_is_refused(tmp_path, random_picture, save):
    first, second = save(tmp_path / "a.png", random_picture(8, 8)), save(tmp_path / "b" / "a.bmp", random_picture(8, 8))
    with pytest.raises(SettingError, match="both become"):
        ask([first, second], tmp_path / "out")
    with pytest.raises(SettingError):
        ask([tmp_path / "nowhere.png"], tmp_path / "out")
    with pytest.raises(SettingError):
        ask([], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        ask([tmp_path / "empty"], tmp_path / "out")
    (tmp_path / "bad.png").write_text("hello")
    with pytest.raises(DataError, match=r"bad\.png"):
        ask([tmp_path / "bad.png"], tmp_path / "out")
    assert not (tmp_path / "out" / PAGE).exists()


def test_only_what_counts_as_data_is_restored(folder, tmp_path, random_picture, save):
    for place in (".hidden/a.png", "@eaDir/b.png"):
        save(folder / place, random_picture(8, 8))
    os.mkfifo(folder / "pipe.png")
    found = ask([folder], tmp_path / "out")
    assert len(found["file"]) == 6
    with pytest.raises(DataError, match=r"pipe\.png is a pipe"):
        ask([folder / "pipe.png"], tmp_path / "other")


def test_names_that_are_no_utf_8_and_links_in_the_place_of_results(tmp_path, random_picture, save):
    odd = save(tmp_path / "a.png", random_picture(8, 8)).rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    (out / PAGE).symlink_to(outside)
    (out / odd.name).symlink_to(outside)
    ask([odd], out)
    assert r"caf\udce9.png" in (out / PAGE).read_text()
    assert not outside.exists()
