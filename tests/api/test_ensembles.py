"""Ensembles from the search to the file: all members trained, resumed, put together, exported, asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch

import nascence
from nascence.api.exporting import formats
from nascence.errors import RunError, SettingError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.tasks import load_task


@pytest.fixture
def found(search_toy: Any) -> nascence.SearchResult:
    return search_toy(settings={"members": 3})


def test_a_search_that_ends_in_an_ensemble_keeps_all_of_it(found: nascence.SearchResult) -> None:
    kept = found.run.read_json("found.json")
    assert (kept["form"], kept["pick"], len(kept["members"])) == ("ensemble", 2, 3)
    assert len({row["architecture"] for row in kept["members"]}) == 3
    assert kept["members"][2]["architecture"] == str(found.architecture) == found.record["architecture"]
    assert found.record["ensemble"] == {"size": 3, "index": 2}
    assert not found.run.has("front.json")


def test_members_are_trained_and_answer_together(found: nascence.SearchResult, tmp_path: Path) -> None:
    result = nascence.train(found.run, epochs=1, progress=False)
    metrics = result.metrics
    assert [row["index"] for row in metrics["members"]] == [0, 1, 2]
    assert metrics["params"] == sum(row["params"] for row in metrics["members"])
    assert metrics["accuracy"] != metrics["members"][0]["accuracy"]
    task = load_task("digits")
    x_BCHW = task.normalise(task.test.images)
    whole = nascence.load_model(found.run)
    alone = [nascence.load_model(found.run.path / "members" / str(at)) for at in range(3)]
    with torch.no_grad():
        share = torch.stack([model(x_BCHW).softmax(1) for model in alone]).mean(0)
        torch.testing.assert_close(whole(x_BCHW).softmax(1), share)
    right = float((share.argmax(1) == task.test.labels).float().mean())
    assert metrics["accuracy"] == pytest.approx(100 * right)
    assert metrics["nll"] == pytest.approx(metrics["loss"], rel=1e-5)
    for row, model in zip(metrics["members"], alone, strict=True):
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(model(x_BCHW), task.test.labels)
        assert row["nll"] == pytest.approx(float(loss), rel=1e-5)
    called = [model(x_BCHW).argmax(1) for model in alone]
    pairs = [(called[a] != called[b]).double().mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert metrics["disagreement"] == pytest.approx(100 * float(sum(pairs)) / 3)
    assert not torch.equal(alone[0](x_BCHW), alone[1](x_BCHW))

    check = nascence.export(found.run)
    session = onnxruntime.InferenceSession(check.path)
    pixels = task.test.images[:7].float() / 255
    (logits,) = session.run(None, {"images": pixels.numpy()})
    torch.testing.assert_close(torch.from_numpy(logits).softmax(1), share[:7], rtol=1e-3, atol=1e-4)
    assert formats(found.run) == ("onnx",)
    with pytest.raises(SettingError, match="An ensemble is exported as ONNX"):
        nascence.export(found.run, "python")


def test_a_stopped_training_of_members_trains_what_is_left(
    found: nascence.SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nascence.api import training

    real, begun = training.Training.advance, []

    def stop(self: Any) -> Any:
        begun.append(self)
        if len(begun) == 2:
            raise RuntimeError("the power is gone")
        return real(self)

    monkeypatch.setattr(training.Training, "advance", stop)
    with pytest.raises(RuntimeError, match="the power is gone"):
        nascence.train(found.run, epochs=1, progress=False, threads=1)
    monkeypatch.setattr(training.Training, "advance", real)
    first = found.run.path / "members" / "0"
    before = (first / "model.pt").read_bytes()
    assert not (found.run.path / "members" / "1" / "model.pt").exists()
    assert nascence.resume(found.run.path, progress=False) == ["training"]
    assert (first / "model.pt").read_bytes() == before
    assert len(found.run.read_json("metrics.json")["members"]) == 3
    assert nascence.resume(found.run.path, progress=False) == []


def test_a_lost_member_is_named_and_trained_anew(found: nascence.SearchResult) -> None:
    before = nascence.train(found.run, epochs=1, progress=False).metrics
    path = found.run.path
    for lost in (path / "members" / "1" / "model.pt", path / "members" / "1", path / "members"):
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        said = "member 1" if lost.name != "members" else "members 0, 1, 2"
        with pytest.raises(RunError, match=rf"{said} of members/ cannot be found; .* nascence runs resume"):
            nascence.export(RunDirectory.open(path))
        with pytest.raises(RunError, match=said):
            nascence.attack(path, images=10, progress=False)
        assert nascence.resume(path, progress=False) == ["training"]
        assert RunDirectory.open(path).read_json("metrics.json")["nll"] == before["nll"]
        assert nascence.resume(path, progress=False) == []


def test_two_at_once_are_what_one_after_the_other_are(search_toy: Any) -> None:
    losses = []
    for name, threads in (("one", 1), ("two", 2)):
        run = search_toy(name, settings={"members": 2}).run
        losses.append(nascence.train(run, epochs=1, progress=False, threads=threads).metrics["loss"])
    assert losses[0] == losses[1]


def test_one_member_can_be_trained_alone(found: nascence.SearchResult) -> None:
    with pytest.raises(RunError, match="has the indices 0 to 2, not 3"):
        nascence.train(found.run, pick=3, epochs=1, progress=False)
    result = nascence.train(found.run, pick=0, epochs=1, progress=False)
    kept = found.run.read_json("found.json")["members"]
    assert str(result.architecture) == kept[0]["architecture"]
    assert found.run.read_json("architecture.json")["ensemble"] == {"size": 3, "index": 0}
    assert found.run.has("model.pt")
    assert "members" not in result.metrics
    assert not (found.run.path / "members").exists()


def test_a_damaged_ensemble_is_named(found: nascence.SearchResult) -> None:
    path = found.run.path / "found.json"
    kept = read_json(path)
    path.write_text(json.dumps({**kept, "pick": 7}))
    with pytest.raises(RunError, match=r"found\.json is damaged"):
        nascence.train(RunDirectory.open(found.run.path), epochs=1, progress=False)


@pytest.mark.parametrize("name", ["members", "members/0"])
def test_members_are_trained_in_the_run_alone(found: nascence.SearchResult, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (found.run.path / name).parent.mkdir(exist_ok=True)
    (found.run.path / name).symlink_to(outside)
    with pytest.raises(RunError, match=f"{name} is a link, which nothing is written through"):
        nascence.train(found.run, epochs=1, progress=False)
    assert not list(outside.iterdir())
