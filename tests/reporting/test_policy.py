"""What a report says of augmentation policies, and shows of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from trees import drawn, parse, texts

from nascence.errors import RunError
from nascence.reading import read_json
from nascence.reporting.contents import Contents
from nascence.reporting.policy import policy, uses
from nascence.reporting.report import page
from nascence.reporting.sections import commands
from nascence.tasks.policy import Policy, SubPolicy

FOUND = Policy(
    (
        SubPolicy((("Rotate", 0.5, 0.2), ("Invert", 1.0, 0.0)), 3.0),
        SubPolicy((("Rotate", 0.9, 0.6), ("Cutout", 0.4, 1.0)), 1.0),
    )
)


def change(path: Path, name: str, **entries: object) -> None:
    file = path / name
    value = read_json(file) if file.exists() else {}
    file.write_text(json.dumps({**value, **entries}))


def examples(path: Path, channels: int = 3) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, channels, 8, 8), dtype=np.uint8)
    change(path, "examples.json", shape=list(pixels.shape), pixels=base64.b64encode(pixels.tobytes()).decode())


def joined(markup: str) -> str:
    return " ".join(texts(markup)).replace("\u00a0", " ")


def test_operations_count_by_the_weights_of_their_sub_policies() -> None:
    rotate, invert, cutout = uses(FOUND)
    assert [use.name for use in (rotate, invert, cutout)] == ["Rotate", "Invert", "Cutout"]
    assert rotate.share == pytest.approx(0.5)
    assert (rotate.chance, rotate.strength) == pytest.approx((0.6, 0.3))
    assert invert.share == pytest.approx(3 / 8)
    assert sum(use.share for use in uses(FOUND)) == pytest.approx(1)


def test_no_policy_no_section(fabricate) -> None:
    assert policy(Contents.read(fabricate(training=True))) == ""


@pytest.mark.parametrize("channels", [1, 3])
def test_the_search_s_policy_on_pictures_of_the_data(fabricate, channels: int) -> None:
    pytest.importorskip("kornia")
    path = fabricate(training=True)
    change(path, "architecture.json", policy=FOUND.to_json())
    change(path, "config.json", training={"seed": 7, "settings": {}, "policy": FOUND.to_json()})
    examples(path, channels)
    run = Contents.read(path)
    made = policy(run)
    assert "Found by the search. The training used it." in joined(made)
    rows = [[cell.text for cell in row] for row in parse(made).iter("tr") if row.find("td") is not None]
    assert rows[0][:4] == ["Rotate", "50.0 %", "60 %", "0.30"]
    assert ["75.00 %", "Rotate (0.50, 0.20), then Invert (1.00, 0.00)"] in rows
    images = list(parse(made).iter("img"))
    assert [image.get("alt") for image in images[:4]] == ["before", "after Rotate"] * 2
    assert len(images) == 3 * 2 * 2
    data = [image.get("src") for image in images]
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in data)
    assert data[0] == data[4], "the same pictures for every operation"
    assert data[0] != data[1]
    assert made in page(run, None)
    assert not any("--policy" in line for line in commands(run)), "it is what train does by itself"


def test_without_pictures_the_table_remains(fabricate) -> None:
    path = fabricate()
    change(path, "architecture.json", policy=FOUND.to_json())
    made = policy(Contents.read(path))
    assert not list(parse(made).iter("img"))
    assert "Rotate" in joined(made)
    assert "before" not in joined(made)


def test_a_training_with_another_policy_or_none(fabricate) -> None:
    path = fabricate(training=True)
    other = Policy((SubPolicy((("Color", 1.0, 0.5),)),))
    change(path, "config.json", training={"seed": 7, "settings": {}, "policy": other.to_json()})
    run = Contents.read(path)
    assert "not found by this run's search" in joined(policy(run))
    assert any("--policy" in line and "run" in line for line in commands(run))
    change(path, "architecture.json", policy=FOUND.to_json())
    change(path, "config.json", training={"seed": 7, "settings": {}})
    run = Contents.read(path)
    assert "The training did not use it." in joined(policy(run))
    assert any("--policy none" in line for line in commands(run))


def test_probabilities_over_time(fabricate) -> None:
    events = [{"epoch": at, "policy": {"Rotate": 0.1 * at, "Invert": 0.5 - 0.1 * at}} for at in (1, 2, 3)]
    path = fabricate(events=events)
    change(path, "architecture.json", policy=FOUND.to_json())
    made = policy(Contents.read(path))
    assert len(drawn(made, "polyline")) >= 2 or len(drawn(made, "path")) >= 2
    assert "gained most" in joined(made)


def test_damaged_examples_are_named(fabricate) -> None:
    path = fabricate()
    change(path, "architecture.json", policy=FOUND.to_json())
    change(path, "examples.json", shape=[2, 3, 8, 8], pixels="AAAA")
    with pytest.raises(RunError, match=r"examples\.json"):
        Contents.read(path)
