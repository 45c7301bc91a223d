"""What the user says about a training, before and after the data are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from nascence.api.recipes import Recipe, given_weights, same_training, training_differences
from nascence.configuration import to_json
from nascence.errors import SettingError
from nascence.tasks import load_task
from nascence.testing import ToyDenoising
from nascence.training import TrainingConfig


def test_weights_are_put_in_the_order_of_the_classes(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("9,3")
    for given in ({"9": 3.0}, tmp_path / "w.csv", str(tmp_path / "w.csv")):
        entry = Recipe(None, {}, (), given_weights(given)).entry(load_task("digits"), 1, 2)
        assert entry["settings"]["class_weights"] == [1.0] * 9 + [3.0]
    assert (entry["seed"], entry["threads"], entry["preset"]) == (1, 2, None)
    assert given_weights("balanced") == "balanced"
    assert given_weights(None) is None
    with pytest.raises(SettingError, match="'toy-denoising' has none"):
        Recipe(None, {}, (), {"a": 2.0}).entry(ToyDenoising.make(), 0, 1)
    with pytest.raises(SettingError, match="'class_weights' is given twice"):
        Recipe(None, {}, ["class_weights=balanced"], "balanced").entry(load_task("digits"), 0, 1)


def test_an_entry_without_later_settings_means_the_same() -> None:
    whole = {"seed": 0, "settings": to_json(TrainingConfig(epochs=1, batch_size=2, learning_rate=0.1))}
    older = {**whole, "settings": {n: v for n, v in whole["settings"].items() if n not in ("patience", "optimizer")}}
    assert same_training(older, whole)
    assert not same_training({**older, "seed": 1}, whole)
    assert not same_training(None, whole)


def test_differences_are_few_and_short() -> None:
    begun = Recipe(None, {"epochs": 2}, ()).entry(load_task("digits"), 0, 1)
    asked = Recipe(None, {"epochs": 3, "batch_size": 32}, ["class_weights=balanced"]).entry(load_task("digits"), 1, 1)
    told = training_differences(begun, asked)
    assert told[0] == "seed 0 there, 1 asked for"
    assert "epochs 2 there, 3 asked for" in told
    assert len(told) == 3
    assert training_differences(begun, begun) == []
    weighted = {**begun, "settings": {**begun["settings"], "class_weights": [1.0] * 10}}
    assert training_differences(begun, weighted) == ["class_weights"], "a long value is not quoted"
