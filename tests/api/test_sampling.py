"""Ensembles drawn from finished searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nascence
from nascence.errors import NascenceError, SettingError
from nascence.reporting.contents import Contents
from nascence.reporting.report import page
from nascence.runs import RunDirectory

SETTINGS = {"epochs": 2, "warmup_epochs": 1, "size": "search-small", "train_images": 64, "valid_images": 64}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    out = tmp_path_factory.mktemp("drawn") / "darts"
    settings: dict[str, Any] = {**SETTINGS, "batch_size": 32, "check_images": 0, "epoch_images": None}
    return nascence.search(
        "darts", data="digits", channels=4, depth=1, settings=settings, out=out, threads=1, progress=False
    ).run


@pytest.mark.parametrize("sampler", ["svgd-rd", "mc"])
def test_several_networks_from_a_search_that_ended_in_one(searched: RunDirectory, tmp_path: Path, sampler: Any) -> None:
    before = {file.name: file.read_bytes() for file in searched.path.iterdir() if file.is_file()}
    result = nascence.draw_ensemble(
        searched, tmp_path / "out", members=3, draws=2, sampler=sampler, svgd_steps=10, progress=False
    )
    kept = result.run.read_json("found.json")
    assert len({row["architecture"] for row in kept["members"]}) == 3
    assert kept["members"][kept["pick"]]["architecture"] == str(result.architecture) == result.record["architecture"]
    assert len(result.record["ensemble_losses"]) == 2
    assert {file.name: file.read_bytes() for file in searched.path.iterdir() if file.is_file()} == before
    assert nascence.resume(result.run.path, progress=False) == []
    told = page(Contents.read(result.run.path), None)
    assert "3 networks that answer together" in told
    assert "nascence.draw_ensemble" in told
    again = nascence.draw_ensemble(
        searched, tmp_path / "again", members=3, draws=2, sampler=sampler, svgd_steps=10, progress=False
    )
    assert again.run.read_json("found.json") == kept


def test_its_members_are_trained(searched: RunDirectory, tmp_path: Path) -> None:
    drawn = nascence.draw_ensemble(searched, tmp_path / "out", members=2, draws=1, svgd_steps=5, progress=False)
    metrics = nascence.train(drawn.run, epochs=1, progress=False).metrics
    assert len(metrics["members"]) == 2


def test_what_is_refused(searched: RunDirectory, tmp_path: Path, search_toy: Any) -> None:
    out = tmp_path / "out"
    with pytest.raises(SettingError, match="leaves no distribution over architectures"):
        nascence.draw_ensemble(search_toy().run, out, progress=False)
    with pytest.raises(SettingError, match=r"needs more than the 15625 architectures"):
        nascence.draw_ensemble(searched, out, members=20_000, progress=False)
    with pytest.raises(NascenceError, match="members"):
        nascence.draw_ensemble(searched, out, members=0, progress=False)
    assert not out.exists()
