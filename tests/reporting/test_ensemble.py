"""What a report says of an ensemble, and of other tasks than classes of images."""

from __future__ import annotations

import json
from pathlib import Path

from trees import parse, texts

from nascence.reading import read_json
from nascence.reporting import sections
from nascence.reporting.contents import Contents
from nascence.reporting.ensemble import ensemble
from nascence.reporting.report import page


def write(path: Path, name: str, **entries: object) -> None:
    file = path / name
    value = read_json(file) if file.exists() else {}
    file.write_text(json.dumps({**value, **entries}))


def members(count: int) -> list[dict[str, object]]:
    return [{"index": at, "architecture": f"net {at}", "params": 10 + at, "flops": 7} for at in range(count)]


def joined(markup: str) -> str:
    return " ".join(texts(markup)).replace("\u00a0", " ")


def test_members_with_and_without_training(fabricate) -> None:
    path = fabricate(training=True)
    assert ensemble(Contents.read(path)) == ""
    write(path, "found.json", form="ensemble", pick=1, members=members(2))
    told = joined(ensemble(Contents.read(path)))
    assert "2 networks that answer together" in told
    assert "Only one of them is trained in this run" in told
    own = [{**row, "accuracy": 80.0 + row["index"]} for row in members(2)]
    write(path, "metrics.json", members=own, params=21, flops=14)
    made = ensemble(Contents.read(path))
    assert "each by itself 80.50 % in the mean" in joined(made)
    rows = [[cell.text for cell in row] for row in parse(made).iter("tr") if row.find("td") is not None]
    assert [row[3] for row in rows] == ["80.00 %", "81.00 %", "94.00 %"]


def test_what_they_are_together(fabricate) -> None:
    path = fabricate(training=True)
    write(path, "found.json", form="ensemble", pick=1, members=members(2))
    own = [{**row, "accuracy": 80.0, "nll": 0.7 + row["index"] / 10, "ece": 5.0} for row in members(2)]
    write(path, "metrics.json", members=own, params=21, flops=14, nll=0.6543, ece=3.21, disagreement=12.345)
    made = ensemble(Contents.read(path))
    rows = [[cell.text for cell in row] for row in parse(made).iter("tr") if row.find("td") is not None]
    assert [row[4] for row in rows] == ["0.7", "0.8", "0.6543"]
    assert rows[-1][0] == "together"
    assert rows[-1][5] == "3.21 %"
    assert "call 12.35 % of the test images differently" in joined(made)


def test_another_metric_and_other_examples(fabricate) -> None:
    path = fabricate(training=True)
    metrics = read_json(path / "metrics.json")
    for name in ("accuracy", "confusion", "per_class", "class_names", "test_images"):
        metrics.pop(name, None)
    metrics |= {"psnr": 29.123, "metric": {"name": "psnr", "unit": "dB"}, "examples": "pictures", "test_pictures": 12}
    (path / "metrics.json").write_text(json.dumps(metrics))
    run = Contents.read(path)
    told = joined(sections.header(run))
    assert "psnr 29.12 dB on 12 test pictures" in told
    assert "Test psnr" in told
    assert "accuracy" not in told
    assert "29.12 dB" in page(run, None)


def test_the_best_epoch_is_told(fabricate) -> None:
    path = fabricate(training=True)
    watched = {"images": 50, "metric": "accuracy", "best": 91.0, "best_epoch": 2, "of_epochs": 30}
    write(path, "metrics.json", validation=watched)
    told = joined(sections.training(Contents.read(path)))
    assert "epoch 2, the best of 3 by accuracy on 50 validation images; the test images judged it once" in told
    assert "Of 30 epochs the rest was left out" in told
