"""Runs that earlier versions left (old_runs.py) open, resume, train, export and report as they did then: to the bit
with the arithmetic of that time, else to a tolerance. Which of the two, the tests' names say."""

import json
import re
import shutil

import pytest
import torch
from golden_records import arithmetic, differences, record_of, written
from old_runs import FOLDER, LIGHT, SIZE, go_on

import nascence
from nascence.reading import read_json
from nascence.reporting import write_report
from nascence.runs.directory import FORMAT, RunDirectory
from nascence.runs.listing import list_runs
from nascence.tasks import load_task

VERSIONS = sorted(path.name for path in FOLDER.iterdir())
RUNS = ("front", "search", "stopped-front", "stopped-search", "stopped-training", "training")


def tolerance(version):
    kept = read_json(FOLDER / version / "arithmetic.json")
    return 0.0 if kept == arithmetic() else 1e-3


def named(version, run):
    mode = "other-arithmetic-within-1e-3" if tolerance(version) else "to-the-bit"
    return pytest.param(version, run, id=f"{version}-{run}-{mode}")


EVERY = [named(version, run) for version in VERSIONS for run in RUNS]


@pytest.fixture
def copy(tmp_path):
    """A copy of a run that may be worked on."""

    def make(version, run):
        shutil.copytree(FOLDER / version / run, tmp_path / run)
        return tmp_path / run

    return make


def test_every_version_left_its_runs():
    assert f"version-{FORMAT}" in VERSIONS, "python tests/goldens/old_runs.py"
    for version in VERSIONS:
        assert {path.name for path in (FOLDER / version).iterdir() if path.is_dir()} == set(RUNS)


@pytest.mark.parametrize("version", VERSIONS)
def test_they_are_listed(version):
    """Each is opened, and its checkpoint is read."""
    told = {row["run"].rpartition("/")[2]: row for row in list_runs(FOLDER / version)}
    assert list(told) == list(RUNS)
    states = {run: (row["state"], row["stage"], row["steps_done"], row["total_steps"]) for run, row in told.items()}
    assert states == {
        "front": ("finished", "search", 12, 12),
        "search": ("finished", "search", 1, 1),
        "stopped-front": ("stopped", "search", 2, 12),
        "stopped-search": ("stopped", "search", 3, 4),
        "stopped-training": ("stopped", "training", 1, 2),
        "training": ("finished", "training", 2, 2),
    }


@pytest.mark.parametrize(("version", "run"), EVERY)
def test_they_go_on_as_they_did(version, run, copy):
    """What was stopped is resumed; what was searched is trained."""
    before = read_json(FOLDER / version / run / "config.json")
    path = copy(version, run)
    go_on(path)
    kept = read_json(FOLDER / version / f"{run}.json")
    found = differences(kept, json.loads(written(record_of(path))), tolerance(version))
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:20])
    assert RunDirectory.open(path).config["created"] == before["created"]
    assert nascence.resume(path, progress=False) == []


@pytest.mark.parametrize("version", VERSIONS)
class TestATrainedRun:
    def test_its_network_has_the_accuracy_that_it_had(self, version):
        run = RunDirectory.open(FOLDER / version / "training")
        model, task = nascence.load_model(run), load_task("digits")
        with torch.no_grad():
            right = (model(task.normalise(task.test.images)).argmax(1) == task.test.labels).float().mean()
        accuracy = run.read_json("metrics.json")["accuracy"]
        assert float(100 * right) == pytest.approx(accuracy, abs=1e-4 if not tolerance(version) else 1)

    @pytest.mark.parametrize("form", ["onnx", "python"])
    def test_it_is_exported(self, version, form, copy):
        path = copy(version, "training")
        check = nascence.export(path, form)
        assert check.to_dict()["max_difference"] < 1e-4
        assert form in read_json(path / "exports.json")

    def test_its_architecture_is_trained_anew(self, version, tmp_path):
        file = FOLDER / version / "training" / "architecture.json"
        again = nascence.train(file, out=tmp_path / "again", epochs=1, batch_size=256, progress=False, **SIZE)
        assert str(again.architecture) == LIGHT
        assert again.metrics["params"] == read_json(file)["params"]


@pytest.mark.parametrize(("version", "run"), [(version, run) for version in VERSIONS for run in RUNS])
def test_they_are_reported(version, run, copy):
    path = copy(version, run)
    if not (path / "architecture.json").is_file():
        nascence.resume(path, progress=False)
    page = write_report(path, cloud_size=0).read_text()
    assert read_json(path / "architecture.json")["architecture"] in page
    sections = set(re.findall(r'<h2 id="([^"]*)"', page))
    shown = {"front": "the-front how-the-search-went", "search": "how-the-search-went"}
    shown |= {"training": "training which-classes-are-confused", "stopped-training": "training"}
    wanted = {
        "the-network",
        "to-do-it-again",
        *shown[run if "training" in run else run.removeprefix("stopped-")].split(),
    }
    assert wanted <= sections
    if (path / "metrics.json").is_file():
        assert f"{read_json(path / 'metrics.json')['accuracy']:.2f}" in page
