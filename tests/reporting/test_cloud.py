from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nascence.configuration import from_json
from nascence.costs import flops, params
from nascence.reading import read_json
from nascence.reporting import random_cloud
from nascence.reporting.contents import Contents
from nascence.spaces import NetworkConfig, get_space


@pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
def test_sizes_are_those_of_the_networks(fabricate, space: str) -> None:
    run = Contents.read(fabricate(space))
    cloud = random_cloud(run, 5, score_seconds=0)
    assert cloud is not None
    assert len(cloud["points"]) == 5
    config = from_json(NetworkConfig, run.record["network"])
    for point in (cloud["found"], cloud["points"][3]):
        architecture = get_space(space).parse(point["architecture"])
        network = architecture.build(network=config, in_channels=1, num_classes=4)
        assert point["params"] == params(network)
        assert point["flops"] == flops(network, (1, 8, 8))
    assert cloud["found"]["architecture"] == str(run.architecture)


def test_the_same_run_has_the_same_cloud(fabricate) -> None:
    run = Contents.read(fabricate())
    assert random_cloud(run, 8, 0) == random_cloud(run, 8, 0)
    drawn = {point["architecture"] for point in random_cloud(run, 8, 0)["points"]}
    assert len(drawn) == 8


def test_scores_as_far_as_time_reaches(fabricate) -> None:
    run = Contents.read(fabricate(names=[str(at) for at in range(10)]))
    cloud = random_cloud(run, 3, score_seconds=1e-9)
    assert cloud is not None
    assert set(cloud["found"]["scores"]) == {"ntk-condition", "linear-regions"}
    assert [point["scores"] for point in cloud["points"]] == [{}, {}, {}]
    assert "note" not in cloud


def test_all_are_scored_when_there_is_time(fabricate) -> None:
    run = Contents.read(fabricate(names=[str(at) for at in range(10)]))
    cloud = random_cloud(run, 2, score_seconds=1e9, draws=1)
    assert cloud is not None
    assert all(point["scores"]["linear-regions"] >= 1 for point in cloud["points"])


def test_fewer_images_than_a_kernel_usually_has(fabricate, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    np.savez(tmp_path / "six.npz", images=pixels, labels=np.arange(6) % 2)
    cloud = random_cloud(Contents.read(fabricate(data=str(tmp_path / "six.npz"), names=["0", "1"])), 1, draws=1)
    assert cloud is not None
    assert "note" not in cloud
    assert set(cloud["found"]["scores"]) == {"ntk-condition", "linear-regions"}


def test_images_smaller_than_a_score_s_patches_leave_that_score_out(fabricate, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 40, 3), np.uint8)
    np.savez(tmp_path / "flat.npz", images=pixels, labels=np.arange(40) % 2)
    cloud = random_cloud(Contents.read(fabricate(data=str(tmp_path / "flat.npz"), names=["0", "1"])), 1, draws=1)
    assert cloud is not None
    assert set(cloud["found"]["scores"]) == {"ntk-condition"}
    assert "linear-regions was not computed: Patches of" in cloud["note"]


def test_data_that_changed_are_not_scored(fabricate, tmp_path: Path) -> None:
    path = tmp_path / "six.npz"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    np.savez(path, images=pixels, labels=np.arange(6) % 2)
    folder = fabricate(data=str(path), names=["0", "1"])
    config = read_json(folder / "config.json")
    config["task"] = {**config.get("task", {}), "digest": "another"}
    (folder / "config.json").write_text(json.dumps(config))
    cloud = random_cloud(Contents.read(folder), 1, draws=1)
    assert cloud is not None
    assert "changed since the run began" in cloud["note"]


def test_a_space_without_a_network_for_regions_has_the_other_score(fabricate) -> None:
    run = Contents.read(fabricate("nas-bench-macro", names=[str(at) for at in range(10)]))
    cloud = random_cloud(run, 1, score_seconds=1e9, draws=1)
    assert cloud is not None
    assert [set(point["scores"]) for point in (cloud["found"], *cloud["points"])] == [{"ntk-condition"}] * 2


@pytest.mark.parametrize("data", ["cifar10", "a name that is gone", "/a/path/that/is/gone"])
def test_missing_data_are_said_not_hidden(fabricate, data: str) -> None:
    cloud = random_cloud(Contents.read(fabricate(data=data)), 2, score_seconds=5)
    assert cloud is not None
    assert "the data are not at hand" in cloud["note"]
    assert cloud["found"]["scores"] == {}


def test_a_run_that_does_not_say_its_network_has_none(fabricate) -> None:
    path = fabricate()
    record = read_json(path / "architecture.json")
    del record["network"]
    (path / "architecture.json").write_text(json.dumps(record))
    assert random_cloud(Contents.read(path), 2, 0) is None
