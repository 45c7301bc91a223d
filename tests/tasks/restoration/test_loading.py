"""From folders to tasks, and one sentence for everything that is wrong with them."""

import numpy as np
import pytest

from nascence.errors import DataError, SettingError
from nascence.tasks.restoration import GaussianNoise, Given, Shrunk, load_restoration


def denoise(path, **options):
    return load_restoration(path, **{"kind": "denoise", "sigma": 25, "patch": 16, **options})


def enlarge(path, **options):
    return load_restoration(path, **{"kind": "super-resolve", "scale": 2, "patch": 8, **options})


def test_a_share_is_set_aside_by_seed(folder):
    names = [[[p.name for p in part] for part in (t.train, t.test)] for t in (denoise(folder), denoise(folder, seed=1))]
    assert [len(part) for part in names[0]] == [5, 1]
    assert sorted(names[0][0] + names[0][1]) == [f"{at}.png" for at in range(6)]
    assert names[0] == [[p.name for p in part] for part in (denoise(folder).train, denoise(folder).test)]
    assert len(denoise(folder, test_fraction=0.5).test) == 3


def test_folders_of_parts(tmp_path, random_picture, save):
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        for at in range(count):
            save(tmp_path / part / "deep" / f"{at}.png", random_picture(20, 20))
    task = denoise(tmp_path)
    assert (len(task.train), len(task.test)) == (4, 2)
    assert isinstance(task.degradation, GaussianNoise)
    (tmp_path / "odd").mkdir()
    with pytest.raises(DataError, match="odd"):
        denoise(tmp_path)


def test_other_folders_to_test_on(folder, tmp_path, random_picture, save):
    for name in ("a", "b"):
        save(tmp_path / name / "1.png", random_picture(20, 20, 3))
    task = denoise(folder, test=[tmp_path / "a", tmp_path / "b"])
    assert (len(task.train), len(task.test)) == (6, 2)
    assert task.test[0].target.shape == (1, 20, 20), "grey like the training pictures"


def test_colours(tmp_path, random_picture, save):
    for at in range(4):
        save(tmp_path / f"{at}.png", random_picture(20, 20, 3, seed=at))
    assert denoise(tmp_path).channels == 3
    assert denoise(tmp_path, colours="grey").channels == 1
    save(tmp_path / "5.png", random_picture(20, 20))
    assert denoise(tmp_path).channels == 1
    assert {len(p.target) for p in denoise(tmp_path, colours="rgb").train} == {3}


@pytest.mark.parametrize(("low", "high"), [("LR_x2", "HR"), ("input", "target"), ("low", "high")])
def test_pairs_for_super_resolution(tmp_path, random_picture, save, low, high):
    small = [random_picture(10, 12, seed=at) for at in range(3)]
    for at, picture in enumerate(small):
        save(tmp_path / low / f"{at}.png", picture)
        save(tmp_path / high / f"{at}.png", random_picture(20, 24, seed=at))
    task = enlarge(tmp_path)
    assert task.degradation == Given("super-resolve", 2)
    for picture in (*task.train, *task.test):
        assert np.array_equal(picture.degraded, small[int(picture.name.split("/")[1][0])])


def test_the_folder_of_the_scale_is_taken(tmp_path, random_picture, save):
    for scale in (2, 4):
        for at in range(2):
            save(tmp_path / f"LR_x{scale}" / f"{at}.png", random_picture(24 // scale, 24 // scale))
            save(tmp_path / "HR" / f"{at}.png", random_picture(24, 24))
    assert enlarge(tmp_path, scale=4, patch=4).train[0].degraded.shape == (1, 6, 6)
    with pytest.raises(DataError, match="scale 3"):
        enlarge(tmp_path, scale=3)


def test_pairs_for_denoising(tmp_path, random_picture, save):
    for at in range(3):
        for side in ("noisy", "clean"):
            save(tmp_path / side / f"{at}.png", random_picture(20, 20, seed=at))
    assert denoise(tmp_path, sigma=None).degradation == Given("denoise", 1)
    with pytest.raises(SettingError, match="own noise"):
        denoise(tmp_path)


def test_pairs_that_do_not_fit(tmp_path, random_picture, save):
    for at in range(2):
        save(tmp_path / "LR" / f"{at}.png", random_picture(10, 10))
        save(tmp_path / "HR" / f"{at}.png", random_picture(20, 20))
    save(tmp_path / "HR" / "1.png", random_picture(30, 20))
    with pytest.raises(DataError, match=r"HR/1\.png has 20 x 30 and 10 x 10 pixels; expected 10 x 15"):
        enlarge(tmp_path)
    save(tmp_path / "HR" / "more.png", random_picture(20, 20))
    with pytest.raises(DataError, match=r"more\.png has no picture of the same name"):
        enlarge(tmp_path)


def test_a_scale_that_does_not_divide(tmp_path, random_picture, save):
    for at in range(2):
        save(tmp_path / f"{at}.png", random_picture(21, 20, seed=at))
    with pytest.raises(DataError, match=r"0\.png has 20 x 21 pixels, which 2 does not divide; .* crop=true"):
        enlarge(tmp_path)
    task = enlarge(tmp_path, crop=True)
    assert task.train[0].target.shape == (1, 20, 20)
    assert task.degradation == Shrunk(2)
    assert task.notes == {"cut to a multiple of the scale": 2}


def test_a_truncated_file_among_many(folder):
    bad = folder / "3.png"
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(DataError, match=r"3\.png is not an image or is damaged.*--task-set skip_damaged=true"):
        denoise(folder)
    task = denoise(folder, skip_damaged=True)
    assert "3.png" not in {p.name for p in (*task.train, *task.test)}
    assert task.notes == {"left out, since it could not be read": 1}


def test_what_was_done_to_odd_files_is_told(folder, random_picture, save_deep):
    save_deep(folder / "deep.png", random_picture(20, 20, 3, deep=True))
    assert denoise(folder).describe()["notes"] == {"read in 16 bits": 1}


def test_a_picture_smaller_than_a_patch(folder):
    task = denoise(folder, patch=30)
    with pytest.raises(DataError, match=r"png has 24 x 24 pixels to cut patches of 30 x 30"):
        task.part("train").batches(2, 0, "weights")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": None}, "--sigma"),
        ({"sigma": -1}, "sigma"),
        ({"scale": 2}, "super-resolve"),
        ({"kind": "super-resolve", "sigma": None}, "--scale"),
        ({"kind": "super-resolve", "scale": 2}, "sigma is for denoise"),
        ({"kind": "super-resolve", "sigma": None, "scale": 5}, "scale"),
        ({"kind": "inpaint"}, "inpaint"),
        ({"patch": 0}, "patch"),
        ({"test_fraction": 1.0}, "share"),
    ],
)
def test_settings_that_make_no_sense(folder, options, message):
    with pytest.raises(SettingError, match=message):
        denoise(folder, **options)


def test_folders_without_pictures(tmp_path, random_picture, save):
    with pytest.raises(DataError, match="no folder"):
        denoise(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no pictures"):
        denoise(tmp_path)
    save(tmp_path / "1.png", random_picture(20, 20))
    with pytest.raises(DataError, match="too few"):
        denoise(tmp_path)


def test_what_is_no_data_is_passed_over_and_counted(folder, random_picture, save):
    before = denoise(folder)
    for place in ("__MACOSX", ".thumbnails/normal", "more/@eaDir"):
        save(folder / place / "1.png", random_picture(20, 20))
    after = denoise(folder)
    assert after.digest == before.digest
    assert before.remarks == ()
    assert "3 files and folders were passed over" in after.remarks[0]
    (folder / "link.png").symlink_to("nothing.png")
    with pytest.raises(DataError, match=r"link\.png is a link to nothing\.png, which is not there"):
        denoise(folder)


def test_the_digest_is_of_all_pictures(folder, random_picture, save):
    before = denoise(folder).describe()["digest"]
    save(folder / "3.png", random_picture(20, 20, 3, seed=99))
    assert denoise(folder).describe()["digest"] != before
