"""What ``--task`` and ``--task-set`` give for folders of pictures."""

import pytest

from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.tasks import load_task
from nascence.tasks.loading import loading
from nascence.tasks.restoration import GaussianNoise, Restoration, Shrunk


def test_a_folder_with_noise(folder):
    task = load_task(str(folder), settings=["sigma=25", "patch=16"])
    assert isinstance(task, Restoration)
    assert task.degradation == GaussianNoise(25, 25)
    assert task.patch == 16
    assert load_task(str(folder), task="denoise", settings=["sigma=0-50"]).degradation == GaussianNoise(0, 50)


def test_a_folder_to_be_shrunk(folder):
    task = load_task(str(folder), settings=["scale=2", "patch=8", "loss=mse"])
    assert task.degradation == Shrunk(2)
    assert task.loss_name == "mse"
    assert load_task(str(folder), task="super-resolve", settings=["scale=2"]).loss_name == "l1"


@pytest.mark.parametrize(("names", "kind"), [(("noisy", "clean"), "denoise"), (("LR_x2", "HR"), "super-resolve")])
def test_pairs_are_recognised(tmp_path, random_picture, save, names, kind):
    sides = (20, 20) if kind == "denoise" else (10, 20)
    for part in ("train", "test"):
        for name, side in zip(names, sides, strict=True):
            save(tmp_path / part / name / "a.png", random_picture(side, side))
    assert loading(str(tmp_path), tmp_path, None, [])["task"] == kind
    settings = ["scale=2"] if kind == "super-resolve" else []
    assert load_task(str(tmp_path), settings=settings).degradation.kind == kind


def test_test_folders_by_path_or_in_the_data_folder(folder, tmp_path, random_picture, save):
    save(tmp_path / "data" / "Set1" / "a.png", random_picture(20, 20))
    by_path = [f"test={tmp_path / 'data' / 'Set1'}", "sigma=5"]
    by_name = ["test=Set1", "sigma=5"]
    for settings in (by_path, by_name):
        task = load_task(str(folder), tmp_path / "data", settings=settings)
        assert [picture.name for picture in task.test] == ["a.png"]
    kept = loading(str(folder), tmp_path, None, by_path)["settings"]
    assert kept["test"] == [str((tmp_path / "data" / "Set1").resolve())]


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(SettingError, match="sigma"):
        load_task(str(folder), task="denoise", settings=["sigma=-3"])
    with pytest.raises(SettingError, match="--sigma"):
        load_task(str(folder), task="denoise")
    with pytest.raises(UnknownNameError, match="scale"):
        load_task(str(folder), task="denoise", settings=["scale=2"])
    with pytest.raises(DataError, match="--image-size"):
        load_task(str(folder), task="denoise", settings=["sigma=5"], image_size=16)
    with pytest.raises(DataError, match="no folder"):
        load_task(str(folder), task="denoise", settings=["sigma=5", f"test={tmp_path / 'nowhere'}"])
    with pytest.raises(DataError, match="'digits' are images with classes, and --task denoise reads others"):
        load_task("digits", task="denoise", settings=["sigma=5"])
