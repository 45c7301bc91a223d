"""Examples of a run's data, for its report."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from nascence.api.examples import FILE, keep_examples
from nascence.runs import RunDirectory
from nascence.tasks import load_task
from nascence.tasks.image_classification import image_classes
from nascence.tasks.image_set import ImageSet


def made(path: Path) -> RunDirectory:
    return RunDirectory.create(path, {"kind": "search"})


def pixels(run: RunDirectory) -> np.ndarray:
    kept = run.read_json(FILE)
    return np.frombuffer(base64.b64decode(kept["pixels"]), np.uint8).reshape(kept["shape"])


def test_the_first_image_of_each_of_the_first_classes(tmp_path: Path) -> None:
    task, run = image_classes(load_task("digits"), "a test"), made(tmp_path / "a")
    keep_examples(run, task)
    kept = pixels(run)
    assert kept.shape == (3, 1, 8, 8)
    for k in range(3):
        first = (task.train.labels == k).nonzero()[0]
        assert np.array_equal(kept[k], task.train[first].images[0].numpy())
    before = (run.path / FILE).read_bytes()
    keep_examples(run, task)
    assert (run.path / FILE).read_bytes() == before


def test_large_images_are_made_small_and_other_data_have_none(tmp_path: Path) -> None:
    task = image_classes(load_task("digits"), "a test")
    large = ImageSet(torch.full((4, 3, 128, 128), 7, dtype=torch.uint8), torch.tensor([0, 1, 2, 2]))
    run = made(tmp_path / "b")
    keep_examples(run, replace(task, train=large))
    assert pixels(run).shape == (3, 3, 64, 64)
    assert (pixels(run) == 7).all()
    run = made(tmp_path / "c")
    keep_examples(run, replace(task, train=ImageSet(large.images[:, :2], large.labels)))
    other: Any = SimpleNamespace(name="no images")
    keep_examples(run, other)
    assert not run.has(FILE)
