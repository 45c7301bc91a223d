"""Every kind of task is one."""

from pathlib import Path

import numpy as np
import pytest

from nascence.tasks import load_task
from nascence.tasks.restoration import Picture, Restoration, Shrunk
from nascence.testing import TaskConformance, ToyDenoising, toy_graph_task


class TestImages(TaskConformance):
    task = load_task("digits", Path("none"))


class TestToyDenoising(TaskConformance):
    task = ToyDenoising.make()


class TestToyGraph(TaskConformance):
    task = toy_graph_task()
    inputs_have_free_sizes = True
    larger_batches = True


class TestSampledGraph(TaskConformance):
    task = toy_graph_task(sampled=True)
    inputs_have_free_sizes = True


def pictures(degradation):
    made = []
    for number in range(6):
        target = np.random.default_rng(number).integers(0, 256, (1, 32, 32)).astype(np.uint8)
        made.append(Picture(str(number), target, degradation.fixed(target)))
    return Restoration("random", degradation, tuple(made[:5]), tuple(made[5:]), patch=8)


class TestSuperResolution(TaskConformance):
    task = pictures(Shrunk(2))
    inputs_have_free_sizes = True
    larger_batches = True


def test_a_task_that_forgets_its_seed_fails(monkeypatch):
    class Forgetful(TaskConformance):
        task = ToyDenoising.make()

    checks = Forgetful()
    checks.test_a_batch_follows_from_seed_and_number_alone()
    part = checks.task.part("train")
    original, calls = type(part).batches, []

    def batches(self, size, seed, name, **options):
        calls.append(size)
        return original(self, size, len(calls), name, **options)

    monkeypatch.setattr(type(part), "batches", batches)
    with pytest.raises(AssertionError):
        checks.test_a_batch_follows_from_seed_and_number_alone()
