from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import nascence
from nascence.errors import ArchitectureError, DataError, NascenceError, RunError, SettingError, UnknownNameError
from nascence.reading import read_json
from nascence.runs import TRAINING, RunDirectory
from nascence.tasks import load_task
from nascence.training import Training, evaluate

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
FAST = {"epochs": 1, "progress": False}


@pytest.fixture
def run(search_toy: Any) -> RunDirectory:
    return search_toy().run


def test_training_a_run(run: RunDirectory) -> None:
    before = (run.path / "architecture.json").read_bytes(), (run.path / "events.jsonl").read_bytes()
    result = nascence.train(run.path, epochs=2, progress=False)
    assert before == ((run.path / "architecture.json").read_bytes(), (run.path / "events.jsonl").read_bytes())
    metrics = read_json(run.path / "metrics.json")
    assert metrics == result.metrics
    assert metrics["epochs"] == 2 == len(run.events(TRAINING))
    assert metrics["class_names"] == list(metrics["per_class"]) == list("0123456789")
    assert sum(map(sum, metrics["confusion"])) == metrics["test_images"]
    assert metrics["params"] == run.read_json("architecture.json")["params"]
    assert metrics["images_per_second"] > 0
    task = load_task("digits")
    model = result.load_model()
    assert not model.training
    assert evaluate(model, task.part("test"), task).value == metrics["accuracy"]
    assert set(torch.load(run.path / "model.pt", weights_only=True)) == set(model.state_dict())


def test_a_finished_training_is_kept_and_another_refused_unless_asked(run: RunDirectory) -> None:
    first = nascence.train(run.path, **FAST)
    assert nascence.train(run.path, **FAST).metrics == first.metrics
    with pytest.raises(RunError, match=r"other settings.*--overwrite"):
        nascence.train(run.path, epochs=2, progress=False)
    with pytest.raises(DataError, match="smaller batch"):
        nascence.train(run.path, batch_size=5_000, overwrite=True, **FAST)
    assert run.read_json("metrics.json") == first.metrics
    second = nascence.train(run.path, epochs=2, overwrite=True, progress=False)
    assert second.metrics["epochs"] == 2 == len(run.events(TRAINING))


def test_an_architecture_string_needs_space_data_and_out(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match="--space"):
        nascence.train(CELL, data="digits", out=tmp_path / "t")
    with pytest.raises(SettingError, match="--out"):
        nascence.train(CELL, space="nas-bench-201", data="digits")
    with pytest.raises(SettingError, match="--data"):
        nascence.train(CELL, space="nas-bench-201", out=tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
    result = nascence.train(CELL, space="nas-bench-201", data="digits", out=tmp_path / "t", channels=2, seed=4, **FAST)
    record = result.run.read_json("architecture.json")
    assert record["architecture"] == CELL
    assert record["search_seconds"] is None
    assert record["params"] == sum(parameter.numel() for parameter in result.load_model().parameters())
    assert result.run.config["training"]["seed"] == 4


def test_an_architecture_file_brings_its_data(run: RunDirectory, tmp_path: Path) -> None:
    result = nascence.train(run.path / "architecture.json", out=tmp_path / "t", channels=3, **FAST)
    assert result.run.config["data"] == "digits"
    assert result.run.config["method"] == "toy"
    assert result.run.config["network"]["channels"] == 3
    assert result.architecture == nascence.Architecture.load(run.path / "architecture.json")
    with pytest.raises(ArchitectureError, match="not of darts"):
        nascence.train(run.path / "architecture.json", space="darts", out=tmp_path / "u")


def test_an_architecture_object(run: RunDirectory, tmp_path: Path) -> None:
    architecture = nascence.Architecture.from_string(CELL, "nas-bench-201")
    result = nascence.train(architecture, data="digits", out=tmp_path / "t", channels=2, **FAST)
    assert result.architecture == architecture


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"space": "darts"}', '{"space": "nas-bench-201", "architecture": 1}']
)
def test_a_corrupt_or_foreign_architecture_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "architecture.json").write_text(content)
    with pytest.raises(ArchitectureError) as caught:
        nascence.train(tmp_path / "architecture.json", data="digits", out=tmp_path / "t")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"settings": ["momentun=1"]}, UnknownNameError, "Did you mean 'momentum'"),
        ({"settings": ["momentum=fast"]}, SettingError, "number"),
        ({"settings": ["epochs=3"], "epochs": 2}, SettingError, "given twice"),
        ({"settings": {"epochs": 3}, "epochs": 2}, SettingError, "given twice"),
        ({"epochs": 0}, SettingError, "at least 1"),
        ({"preset": "dart"}, UnknownNameError, "Did you mean 'darts'"),
        ({"space": "darts"}, SettingError, "does not go with a run directory"),
        ({"out": "x"}, SettingError, "--out does not go with a run directory"),
        ({"image_size": 4}, SettingError, "--image-size does not go"),
        ({"settings": ["cutout=8"]}, SettingError, "cutout"),
    ],
)
def test_mistakes_change_nothing(
    run: RunDirectory, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    before = sorted(path.name for path in run.path.iterdir()), (run.path / "config.json").read_bytes()
    with pytest.raises(kind, match=message) as caught:
        nascence.train(run.path, progress=False, **options)
    assert "\n" not in str(caught.value)
    assert before == (sorted(path.name for path in run.path.iterdir()), (run.path / "config.json").read_bytes())


def test_settings_and_presets_are_recorded(run: RunDirectory) -> None:
    result = nascence.train(
        run.path, preset="nas-bench-201", epochs=1, batch_size=500, settings=["weight-decay=1e-3"], progress=False
    )
    entry = run.read_json("config.json")["training"]
    assert entry["preset"] == "nas-bench-201"
    assert (entry["settings"]["batch_size"], entry["settings"]["weight_decay"]) == (500, 0.001)
    assert result.metrics["training"] == entry


DARTS_CELL = (
    "|sep_conv_3x3~0|skip_connect~1|+|max_pool_3x3~0|dil_conv_3x3~2|+|skip_connect~0|sep_conv_3x3~1|"
    "+|skip_connect~2|skip_connect~3|"
)


def test_the_darts_preset_trains_with_an_auxiliary_head_and_leaves_it_out_of_the_model(tmp_path: Path) -> None:
    text = f"normal:{DARTS_CELL};reduce:{DARTS_CELL}"
    size = {"space": "darts", "data": "digits", "channels": 2, "depth": 3, "batch_size": 256, **FAST}
    result = nascence.train(text, preset="darts", settings=["cutout=2"], out=tmp_path / "t", **size)
    plain = nascence.train(text, out=tmp_path / "plain", **size)
    model = result.load_model()
    weights = torch.load(result.run.path / "model.pt", weights_only=True)
    assert not any(name.startswith("auxiliary") for name in weights)
    assert set(weights) == set(model.state_dict()) == set(plain.load_model().state_dict())
    kept, without = (r.run.read_tensors(TRAINING.checkpoint)["state"]["model"] for r in (result, plain))
    assert any(name.startswith("auxiliary") for name in kept)
    assert set(without) == set(weights)
    task = load_task("digits")
    assert evaluate(model, task.part("test"), task).value == result.metrics["accuracy"]
    assert nascence.export(result.run, "python").max_difference < 1e-5


def test_an_auxiliary_head_where_there_is_none(run: RunDirectory) -> None:
    for asked in ({"preset": "darts"}, {"settings": ["auxiliary_weight=0.4"]}):
        with pytest.raises(SettingError, match=r"no auxiliary head.*auxiliary_weight=0"):
            nascence.train(run.path, **asked, **FAST)
    settings = ["auxiliary_weight=0", "cutout=2"]
    assert nascence.train(run.path, preset="darts", settings=settings, **FAST).metrics["epochs"] == 1


def test_an_unfinished_search_is_not_trained(run: RunDirectory) -> None:
    (run.path / "architecture.json").unlink()
    with pytest.raises(RunError, match="nascence runs resume"):
        nascence.train(run.path)


def test_no_model_yet(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="type: nascence train"):
        nascence.load_model(run.path)


def test_a_stopped_training_ends_like_an_undisturbed_one(search_toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = search_toy("whole").run, search_toy("stopped").run
    nascence.train(whole.path, epochs=3, progress=False)
    advance = Training.advance

    def fail(training: Training) -> dict[str, Any]:
        if training.steps_done == 1:
            raise NascenceError("stopped here")
        return advance(training)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "advance", fail)
        with pytest.raises(NascenceError, match="stopped here"):
            nascence.train(stopped.path, epochs=3, progress=False)
    assert not stopped.has("metrics.json")
    assert nascence.resume(stopped.path, progress=False) == ["training"]
    assert nascence.resume(stopped.path, progress=False) == []
    expected, got = whole.read_tensors("model.pt"), stopped.read_tensors("model.pt")
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert whole.read_json("metrics.json")["confusion"] == stopped.read_json("metrics.json")["confusion"]


def test_a_policy_augments_the_training_images_and_is_remembered(tmp_path):
    """The search's own policy is used unless another is named; a file, ``random`` and ``none`` are understood."""
    from nascence.tasks.policy import Policy, SubPolicy

    found = nascence.search(
        "random", "nas-bench-201", "digits", seed=0, out=tmp_path / "run", channels=2, depth=1, progress=False
    )
    record_file = tmp_path / "run" / "architecture.json"
    policy = Policy((SubPolicy((("Invert", 1.0, 0.5),)),))
    record_file.write_text(json.dumps({**read_json(record_file), "policy": policy.to_json()}))
    losses = []
    for given, expected in ((None, policy.to_json()), ("none", None)):
        result = nascence.train(
            found.run.path, epochs=1, seed=0, threads=1, policy=given, overwrite=True, progress=False
        )
        entry = read_json(result.run.path / "config.json")["training"]
        assert entry.get("policy") == expected
        losses.append(result.metrics["loss"])
    assert losses[0] != losses[1]
    with pytest.raises(DataError, match=r"Cannot read .*no-such"):
        nascence.train(found.run.path, epochs=1, policy=tmp_path / "no-such.json", progress=False)
