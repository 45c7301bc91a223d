"""What a report says of classes."""

from __future__ import annotations

import json
from pathlib import Path

from trees import drawn, parse, texts

from nascence.reading import read_json
from nascence.reporting.classes import confusion
from nascence.reporting.contents import Contents


def update(path: Path, name: str, **entries: object) -> None:
    value = read_json(path / name)
    (path / name).write_text(json.dumps({**value, **entries}))


def test_confused_pairs_are_ordered_by_number(fabricate) -> None:
    made = confusion(Contents.read(fabricate(training=True)))
    rows = [[cell.text for cell in row] for row in parse(made).iter("tr") if row.find("td") is not None]
    assert rows[0] == ["cat", "<script>alert(1)</script>", "9", "18.0 %"]
    assert rows[1] == ["quote\" & tick'", "cat", "3", "6.0 %"]
    assert rows[2] == ["cat", "82.0 %"]  # the worst class first


def test_many_classes_are_told_without_a_heat_map(fabricate) -> None:
    names = [f"class {at}" for at in range(40)]
    made = confusion(Contents.read(fabricate(training=True, names=names)))
    assert drawn(made, "svg") == []
    assert "class 39" in texts(made)


def test_perfect_classes_are_said_to_be(fabricate) -> None:
    path = fabricate(training=True)
    update(path, "metrics.json", confusion=[[5, 0], [0, 5]], class_names=["a", "b"])
    assert "None of the test images was taken for another class." in texts(confusion(Contents.read(path)))


def test_a_class_without_test_images_is_no_error(fabricate) -> None:
    path = fabricate(training=True)
    update(path, "metrics.json", confusion=[[5, 1], [0, 0]], class_names=["a", "b"])
    assert "83.3 %" in texts(confusion(Contents.read(path)))


def test_the_mean_of_the_classes_is_told(fabricate) -> None:
    path = fabricate(training=True)
    update(path, "metrics.json", confusion=[[9, 1], [1, 1]], class_names=["a", "b"])
    assert "Balanced accuracy, the mean of the classes' own (their recall): 70.00 %." in texts(
        confusion(Contents.read(path))
    )
