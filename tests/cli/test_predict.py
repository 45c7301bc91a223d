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


@pytest.fixture
def restorer(nascence_command, tmp_path):
    """A trained denoiser of one tiny run, ``r``, and a folder of odd pictures, ``odd``."""
    random = np.random.default_rng(0)
    for name in ("d", "odd"):
        Path(name).mkdir()
    for at in range(3):
        Image.fromarray(random.integers(0, 256, (24, 24), dtype=np.uint8)).save(f"d/{at}.png")
    Image.fromarray(random.integers(0, 65536, (20, 30)).astype(np.uint16)).save("odd/deep.png")
    Image.fromarray(random.integers(0, 256, (20, 30, 4), dtype=np.uint8)).save("odd/clear.png")
    Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).quantize(8).save("odd/few.png")
    search = ("search", "--method", "random", "--space", "unfold-dense", "--data", "d", "--task", "denoise")
    assert nascence_command(*search, "--sigma", 25, "--out", "x").err.count("choose a smaller one (--task-set patch=N)")
    assert not Path("x").exists(), "patches larger than the pictures are refused before the search"
    told = nascence_command(*search, "--sigma", 25, "--task-set", "patch=8", "--channels", 4, "--out", "r")
    assert told.code == 0, told.err
    trained = nascence_command("train", "r", "--epochs", 1, "--batch-size", 4)
    assert trained.code == 0
    assert "nascence export r --format onnx" in trained.out
    assert "--format python" not in trained.out, "what would be refused is not proposed"
    return nascence_command


def test_pictures_are_restored_into_a_folder(restorer):
    done = restorer("predict", "r", "odd", "--out", "out", "--json")
    assert done.code == 0, done.err
    notes = {Path(row["file"]).name: row["note"] for row in done.json["predictions"]}
    assert notes == {
        "clear.png": "transparency was dropped",
        "deep.png": "read in 16 bits",
        "few.png": "a palette was turned into its colours",
    }
    for name, mode in (("clear.png", "RGB"), ("deep.png", "I;16"), ("few.png", "RGB")):
        with Image.open(f"out/{name}") as restored:
            assert (restored.size, restored.mode) == ((30, 20), mode)
    assert Path("out/report.html").read_text().count("data:image/png;base64,") == 6
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    again = restorer("predict", "r", "odd", "--out", "out")
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before
    Path("odd/bad.png").write_bytes(Path("odd/deep.png").read_bytes()[:100])
    refused = restorer("predict", "r", "odd", "--out", "two")
    assert refused.code == 2
    assert "bad.png" in refused.err
    assert not Path("two").exists()
    rest = restorer("predict", "r", "odd", "--out", "two", "--skip-damaged")
    assert rest.code == 0
    assert len(list(Path("two").glob("*.png"))) == 3


def test_only_pictures_can_be_left_out(trained):
    told = trained("predict", "a", "x.png", "--skip-damaged")
    assert told.code == 2
    assert "--skip-damaged is about pictures" in told.err
