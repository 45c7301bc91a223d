"""``nascence predict`` as it is typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def trained(nascence_command):
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "a").code == 0
    assert nascence_command("train", "a", "--epochs", 1).code == 0
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8), "L").save("x.png")
    return nascence_command


def test_predict_on_screen_and_in_a_file(trained):
    done = trained("predict", "a", "x.png", "--out", "p.csv", "--json")
    assert done.code == 0
    (row,) = done.json["predictions"]
    assert row["class"] in "0123456789"
    assert row["class"] in done.err
    assert done.json["out"] == "p.csv"
    assert Path("p.csv").read_text().count("\n") == 2
    assert json.loads(trained("predict", "a", "x.png", "x.png", "--json").out)["out"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "Name images, or folders of them, to predict."),
        (["a", "y.png"], "There is nothing at y.png"),
        (["a", "x.png", "--out", "p.txt"], "ends in none of .csv, .json, .parquet"),
        (["b", "x.png"], "b"),
    ],
)
def test_mistakes(trained, arguments, message):
    told = trained("predict", *arguments)
    assert told.code == 2
    assert message in told.err
    assert told.err.count("\n") == 1
