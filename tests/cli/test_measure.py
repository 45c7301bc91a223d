from __future__ import annotations

import json
from itertools import accumulate, repeat
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nascence.costs.quiet import QuietTimes
from nascence.costs.timing import Clock
from nascence.reading import read_json

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
SMALL = ("--channels", 2, "--depth", 1)


def test_a_network(nascence_command: Any) -> None:
    done = nascence_command("measure", CELL, *SMALL, "--repeats", 3, "--warm-up", 1, "--json")
    assert done.code == 0
    assert len(done.json["costs"]) == 5
    assert "latency-ms, ONNX Runtime" in done.err
    assert "3 passes after 1, 1 thread" in done.err
    assert "any device" in done.err


def test_a_table_and_what_it_is_for(nascence_command: Any) -> None:
    done = nascence_command("measure", *SMALL, "--out", "latency.json", "--checks", 2)
    assert done.code == 0
    assert "Latencies of the parts of nas-bench-201" in done.out
    assert "2 random networks" in done.out
    assert Path("latency.json").is_file()
    options = ("--latency-table", "latency.json", "--threads", 1)
    assert nascence_command("search", "--method", "toy", *SMALL, *options, "--out", "a").code == 0
    foreign = nascence_command("search", "--method", "toy", "--channels", 3, "--depth", 1, *options, "--out", "b")
    assert foreign.code == 2
    assert "network size 'channels 2" in foreign.err
    assert not Path("b").exists()
    asked = nascence_command("measure", *SMALL, "--out", "latency.json", "--overwrite", "--checks", 1, "--json")
    assert asked.json["checked"] == 1
    assert asked.json["out"] == "latency.json"


def test_random_networks_in_a_file_that_grows(nascence_command: Any) -> None:
    options = ("measure", *SMALL, "--repeats", 2, "--warm-up", 1, "--out", "lat.csv")
    done = nascence_command(*options, "--networks", 3)
    assert done.code == 0
    assert "Latencies of 3 networks are in lat.csv" in done.out
    three = Path("lat.csv").read_text()
    more = nascence_command(*options, "--networks", 5, "--json")
    assert more.json == {"out": "lat.csv", "networks": 5}
    assert Path("lat.csv").read_text().startswith(three)
    anew = nascence_command(*options, "--networks", 1, "--overwrite")
    assert anew.code == 0
    assert len(Path("lat.csv").read_text().splitlines()) == 2


def test_mistakes_with_random_networks(nascence_command: Any) -> None:
    for options, message in [
        (("--networks", 3), "--networks N --out FILE.csv"),
        ((), "Say what to measure"),
        (("--networks", 3, "--out", "lat.json"), "does not end in .csv"),
        (("--networks", 0, "--out", "lat.csv"), "must be at least 1, not 0"),
        ((CELL, "--networks", 3), "without TARGET"),
        (("--networks", 3, "--out", "lat.csv", "--repeats", 0), "repeats must be at least 1, not 0"),
        (("--networks", 20_000, "--out", "lat.csv", "--space", "nas-bench-macro"), "has no 20,000 different"),
    ]:
        done = nascence_command("measure", *options)
        assert done.code == 2
        assert message in done.err
        assert len(done.err.strip().splitlines()) == 1
        assert not Path("lat.csv").exists()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pass takes one to three milliseconds, whatever machine this is, and however quick it ever was."""
    random = Random(0)
    times = accumulate(random.randint(1_000_000, 3_000_000) for _ in repeat(None))
    monkeypatch.setattr("nascence.costs.timing.SYSTEM", Clock(wall=lambda: next(times), busy=None))
    monkeypatch.setattr("nascence.costs.networks.ON_THIS_MACHINE", QuietTimes(lambda: None))


def test_measured_networks_are_what_a_search_learns_from(nascence_command: Any, clock: None) -> None:
    done = nascence_command(
        "measure", *SMALL, "--repeats", 1, "--warm-up", 1, "--out", "lat.csv", "--networks", 30, "--threads", 1
    )
    assert done.code == 0
    tiny = ("epochs=2", "warmup_epochs=1", "train_images=16", "valid_images=16", "batch_size=8", "check_images=8")
    more = ("channels=2", "depth=1", "epoch_images=none", "image_size=none")
    settings = [part for one in (*tiny, *more) for part in ("--set", one)]
    search = ("search", "--method", "la-darts", *SMALL, *settings, "--set", "latencies=lat.csv")
    found = nascence_command(*search, "--out", "a")
    assert found.code == 0
    assert "from measured networks" in found.out
    assert "3 that were held out" in found.out
    record = read_json(Path("a/architecture.json"))
    assert record["predicted_latency"]["ms"] > 0
    assert record["predicted_latency"]["linear_error"]["relative_percent"] > 0
    assert "are a reconstruction" in record["caveat"]
    events = [json.loads(line) for line in Path("a/events.jsonl").read_text().splitlines()]
    assert events[-1]["predicted_latency_ms"] == record["predicted_latency"]["ms"]
    wrong = nascence_command(*search, "--set", "latency_column=accuracy", "--out", "b")
    assert wrong.code == 2
    assert "Unknown latency in lat.csv 'accuracy'" in wrong.err
    assert not Path("b").exists()
