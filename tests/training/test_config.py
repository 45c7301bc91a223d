from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from nascence.errors import SettingError, UnknownNameError
from nascence.tasks import ImageClassification, ImageSet
from nascence.training import PRESETS, TrainingConfig


def task_of(count: int) -> ImageClassification:
    data = ImageSet(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64))
    return ImageClassification("toy", ("a", "b"), data, data, (0.0,), (1.0,))


def test_the_nas_bench_201_recipe() -> None:
    config = TrainingConfig.preset("nas-bench-201")
    assert (config.epochs, config.batch_size, config.learning_rate, config.final_learning_rate) == (200, 256, 0.1, 0)
    assert (config.momentum, config.nesterov, config.weight_decay, config.per_step) == (0.9, True, 5e-4, False)
    assert config.augment
    assert (config.cutout, config.drop_path, config.clip_norm, config.label_smoothing) == (0, 0, 0, 0)


def test_the_darts_recipe() -> None:
    config = TrainingConfig.preset("darts")
    assert (config.epochs, config.batch_size, config.learning_rate, config.final_learning_rate) == (600, 96, 0.025, 0)
    assert (config.momentum, config.nesterov, config.weight_decay, config.per_step) == (0.9, False, 3e-4, False)
    assert (config.cutout, config.drop_path, config.clip_norm, config.auxiliary_weight) == (16, 0.2, 5, 0.4)


def test_presets_can_be_changed_and_unknown_ones_are_refused() -> None:
    assert TrainingConfig.preset("nas-bench-201", epochs=12) == dataclasses.replace(
        TrainingConfig.preset("nas-bench-201"), epochs=12
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'darts'"):
        TrainingConfig.preset("dart")
    assert set(PRESETS) == {"nas-bench-201", "darts"}


@pytest.mark.parametrize("count", [4, 20, 100, 1438, 8000, 50_000, 1_200_000])
def test_suggestions_fit_the_amount_of_data(count: int) -> None:
    config = TrainingConfig.suggested(task_of(count))
    assert 2 <= config.batch_size <= count
    assert 20 <= config.epochs <= 100
    assert config.batch_size >= TrainingConfig.suggested(task_of(max(2, count // 10))).batch_size
    assert config.epochs <= TrainingConfig.suggested(task_of(max(2, count // 10))).epochs


def test_suggestions_can_be_changed() -> None:
    config = TrainingConfig.suggested(task_of(1438), epochs=3)
    assert (config.epochs, config.warmup_epochs) == (3, 2)
    assert TrainingConfig.suggested(task_of(1438), epochs=1).warmup_epochs == 0
    with pytest.raises(SettingError, match="epochs must be at least 1"):
        TrainingConfig.suggested(task_of(1438), epochs=0)
    assert TrainingConfig.suggested(task_of(1438), cutout=1).cutout == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"batch_size": 1}, "batch_size must be at least 2"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"final_learning_rate": -1.0}, "final_learning_rate must be at least 0"),
        ({"warmup_epochs": 10}, r"warmup_epochs must be fewer than epochs \(10\), not 10"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1"),
        ({"momentum": 0.0}, "nesterov must be off where momentum is 0"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"cutout": -1}, "cutout must be"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"auxiliary_weight": -0.4}, "auxiliary_weight"),
        ({"cutout": 4, "augment": False}, "cutout needs augment"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TrainingConfig(**{"epochs": 10, "batch_size": 8, "learning_rate": 0.1, **changes})
