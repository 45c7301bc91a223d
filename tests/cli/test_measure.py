from __future__ import annotations

from pathlib import Path
from typing import Any

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
