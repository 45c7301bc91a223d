from __future__ import annotations

import json

import pytest
import torch
from trees import parse, texts

from nascence.reading import read_json
from nascence.reporting import sections
from nascence.reporting.contents import Contents
from nascence.reporting.mixing import epochs_of, weights_chart
from nascence.spaces import get_space


def events(space, count=3):
    found = []
    for at in range(count):
        weights = {}
        for group in space.groups:
            row = [0.0] * len(group.options)
            row[1], row[2 % len(row)] = 0.5 - 0.1 * at, 0.5 + 0.1 * at
            weights[group.name] = [list(row) for _ in group.rows]
        found.append({"epoch": at + 1, "stage": 1, "step": 2, "train_loss": 2.0 - at})
        found.append(
            {
                "epoch": at + 1,
                "train_loss": 1.9 - at,
                "supernet_accuracy": 10.0 + at,
                "derived_accuracy": 9.0 + at,
                "collapsed": False,
                "weights": weights,
                "architecture": str(space.sample(torch.Generator().manual_seed(at))),
            }
        )
    return found


def update(path, name, **entries):
    value = read_json(path / name)
    (path / name).write_text(json.dumps({**value, **entries}))


@pytest.mark.parametrize("name", ["nas-bench-201", "darts"])
def test_one_picture_a_cell_with_a_panel_an_edge(fabricate, name):
    space = get_space(name)
    made = sections.search(Contents.read(fabricate(name, events=events(space))))
    told = texts(made)
    assert sum("Mixing weights over time" in text and "Mixing weights of" not in text for text in told) == len(
        space.kinds
    )
    for source, target in space.shape.edges:
        assert told.count(f"{target}<-{source}") == len(space.kinds)
    assert any("over 3 epochs, largest 0.7" in text for text in told)


@pytest.mark.parametrize(("name", "pictures"), [("unfold-dense", 6), ("path-tree", 3)])
def test_choices_that_are_no_edges_have_their_panels_too(fabricate, name, pictures):
    space = get_space(name)
    told = texts(made := sections.search(Contents.read(fabricate(name, events=events(space)))))
    parse(f"<main>{made}</main>")
    assert sum(text.startswith("Mixing weights over time, ") for text in told) == pictures
    assert any(text.startswith("One panel a choice") for text in told)
    shown = [row for group in space.groups for row in group.rows[:40]]
    assert set(shown) <= set(told)
    assert any("The first 40 of 175 choices." in text for text in told) == (name == "path-tree")


def test_lines_go_where_the_weights_go():
    space = get_space("nas-bench-201")
    drawing = weights_chart("cell", space.groups, epochs_of(events(space)))
    parse(drawing)
    edges = len(space.shape.edges)
    assert drawing.count("<polyline") == 2 * edges, "operations of weight zero are left out"
    assert any("skip: 0.5 to 0.3" in text for text in texts(drawing))
    assert any("conv 1×1: 0.5 to 0.7" in text for text in texts(drawing))


def test_charts_take_the_end_of_each_epoch_only(fabricate):
    space = get_space("nas-bench-201")
    run = Contents.read(fabricate(events=events(space)))
    assert [event["epoch"] for event in epochs_of(run.events)] == [1, 2, 3]
    told = " ".join(texts(sections.search(run)))
    assert "supernet accuracy" in told
    assert "derived accuracy" in told
    assert "weights {" not in told, "not in the table of every step"


def test_the_alarm_and_the_table(fabricate):
    space = get_space("nas-bench-201")
    path = fabricate(events=events(space))
    update(path, "architecture.json", collapsed=True, collapse="The search collapsed: so and so.")
    known = {"source": "a table", "column": "cifar10_test_acc_200ep", "epochs": [1, 2, 3], "values": [50.0, 60.0, 70.0]}
    (path / "trajectory.json").write_text(json.dumps(known))
    told = " ".join(texts(sections.search(Contents.read(path))))
    assert "The search collapsed: so and so." in told
    assert "for the reader only" in told
    assert "from 50 to 70" in told


def test_other_searches_have_none_of_it(fabricate):
    assert "Mixing weights" not in " ".join(texts(sections.search(Contents.read(fabricate()))))
