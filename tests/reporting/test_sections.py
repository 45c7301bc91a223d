from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import drawn, parse, texts

from nascence.reading import read_json
from nascence.reporting import sections
from nascence.reporting.contents import Contents


def update(path: Path, name: str, **entries: object) -> None:
    value = read_json(path / name)
    (path / name).write_text(json.dumps({**value, **entries}))


def joined(markup: str) -> str:
    return " ".join(texts(markup)).replace("\u00a0", " ")


def test_the_header_says_what_was_found_in_one_sentence(fabricate) -> None:
    told = joined(sections.header(Contents.read(fabricate(training=True))))
    assert (
        "A network of 12,345 parameters and 2.9 MFLOPs per image tells 4 classes of digits apart with 94.00 %" in told
    )
    assert "on 200 test images after 3 epochs." in told
    assert "Found by te-nas in 1 min 24 s: one run with seed 7. Another seed may find another network." in told


def test_an_untrained_network_has_no_accuracy(fabricate) -> None:
    told = joined(sections.header(Contents.read(fabricate())))
    assert "it is not trained yet, so nothing is known of how good it is" in told
    assert "Test accuracy" not in told


def test_a_network_given_by_hand_was_not_searched(fabricate) -> None:
    path = fabricate()
    update(path, "architecture.json", search_seconds=None)
    told = joined(sections.header(Contents.read(path)))
    assert "Given by hand, not searched" in told


def test_te_nas_shows_what_was_left_on_each_edge(fabricate) -> None:
    made = sections.search(Contents.read(fabricate()))
    told = texts(made)
    assert "Operations left on each edge after each round" in told
    assert {"1<-0", "2<-1"} <= set(told)
    assert "1<-0 / 1: 2" in told
    assert "2<-1 / 1: 1" in told
    assert "skip, conv 3×3" in told
    assert "4 entries" in told  # the removed ones, in the table of every step


def test_nasi_shows_the_trace_with_its_limit(fabricate) -> None:
    events = [
        {"trace": 10.0 + at, "nu": None if at == 0 else 9.0, "above": at > 1, "gradient_norm": 1.0} for at in range(4)
    ]
    made = sections.search(Contents.read(fabricate(events=events)))
    assert "Kernel trace and its limit" in texts(made)
    assert {"trace", "nu"} <= set(texts(made))
    lines = drawn(made, "polyline")
    assert len(lines) == 2  # the norm never changes, so there is nothing to draw
    assert [len(line.attrib["points"].split()) for line in lines] == [4, 3]


def test_an_unknown_method_gets_a_chart_per_number(fabricate) -> None:
    events = [{"best": at, "note": "text", "other-number": at * 0.5, "flag": True} for at in range(3)]
    made = sections.search(Contents.read(fabricate(events=events)))
    assert {"best", "other number"} <= set(texts(made))
    assert len(drawn(made, "polyline")) == 2


def test_a_search_without_events_has_no_section(fabricate) -> None:
    assert sections.search(Contents.read(fabricate(events=[]))) == ""


def test_train_and_test_share_a_chart(fabricate) -> None:
    made = sections.training(Contents.read(fabricate(training=True)))
    assert {"Loss", "train loss", "test loss", "test accuracy"} <= set(texts(made))
    assert len(drawn(made, "svg")) == 2
    assert "of the last epoch, not of the best" in joined(made)


def test_exports_tell_difference_and_latency(fabricate) -> None:
    told = joined(sections.exports(Contents.read(fabricate(exports=True))))
    assert "2.9e-06" in told
    assert "0.145 ms" in told
    assert "measured, not predicted" in told


def test_scores_beside_random_architectures(fabricate) -> None:
    run = Contents.read(fabricate(cloud=True))
    made = sections.cloud(run, run.cloud)
    assert len(drawn(made, "svg")) == 2
    assert "they predict, they do not measure" in joined(made)
    rows = [[cell.text for cell in row] for row in parse(made).iter("tr")]
    assert [row[0] for row in rows] == ["value", "params", "flops", "ntk condition"]
    assert rows[1][-1] == "6 of 10"
    assert sections.cloud(run, None) == ""


def test_infinite_scores_are_left_out(fabricate) -> None:
    run = Contents.read(fabricate(cloud=True))
    assert run.cloud is not None
    cloud = json.loads(json.dumps(run.cloud))
    cloud["points"][0]["scores"]["ntk-condition"] = None
    cloud["points"][1]["scores"]["ntk-condition"] = float("inf")
    made = sections.cloud(run, cloud)
    assert [len(drawn(chart, "circle")) for chart in (made,)] == [11 + 9]


def test_commands_are_complete(fabricate) -> None:
    run = Contents.read(fabricate(training=True, exports=True))
    search, train, export, report = sections.commands(run)
    words = search.replace("\\\n", " ").split()
    assert words[:2] == ["nascence", "search"]
    for option, value in (("--method", "te-nas"), ("--seed", "7"), ("--max-params", "1000000.0"), ("--channels", "4")):
        assert words[words.index(option) + 1] == value
    assert "prune=none" in words
    assert "--max-flops" not in words
    assert search.endswith(f"--out '{run.path}'")
    assert train.startswith(f"nascence train '{run.path}'")
    assert "--set epochs=3" in train
    assert "--set augment=true" in train
    assert export == f"nascence export '{run.path}' --format onnx"
    assert report == f"nascence report '{run.path}'"


def test_a_training_without_a_search_is_one_command(fabricate) -> None:
    path = fabricate(training=True)
    update(path, "config.json", kind="training")
    train, report = sections.commands(Contents.read(path))
    assert train.startswith("nascence train '|")
    assert "--space nas-bench-201" in train
    assert "--out" in train
    assert report.startswith("nascence report")


def test_benchmark_values_are_named_as_others_measurements(fabricate) -> None:
    told = joined(sections.benchmark(Contents.read(fabricate(table=True))))
    assert "92.77" in told
    assert "others measured" in told
    assert sections.benchmark(Contents.read(fabricate())) == ""


@pytest.mark.parametrize("space", ["nas-bench-201", "darts"])
def test_the_network_is_drawn(fabricate, space: str) -> None:
    run = Contents.read(fabricate(space))
    made = sections.network(run)
    assert len(drawn(made, "svg")) == (1 if space == "nas-bench-201" else 2)
    assert str(run.architecture) in texts(made)
