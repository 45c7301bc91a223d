"""What users get wrong, through the command line in a process of its own: one sentence, exit code 2, nothing
overwritten; and the oddities of real data that are accepted."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import nascence
from nascence.reading import read_json

TOY = "search --method toy --channels 2 --depth 1"
FRONT = (
    "search --method evolution --objectives naswot,params --channels 2 --depth 1 --set population=4 --set generations=1"
)
SOURCE = str(Path(nascence.__file__).parents[1])


@dataclass
class Told:
    code: int
    out: str
    err: str
    changed: bool


def picture(value: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    image = Image.new("L", size, value)
    image.putpixel((0, 0), 0)
    return image.convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else image.convert(mode)


def classes(
    root: Path, modes: tuple[str, ...] = ("RGB",), names: tuple[str, ...] = ("cat", "dog"), count: int = 6
) -> Path:
    """``count`` images in each of the class folders, the modes taken in turn."""
    for at, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(count):
            mode = modes[number % len(modes)]
            picture(100 * at + number + 1, mode=mode).save(root / name / f"{number}.png")
    return root


def encoded(value: int) -> bytes:
    buffer = io.BytesIO()
    picture(value).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with good and bad data."""
    root = tmp_path_factory.mktemp("place")
    patch = pytest.MonkeyPatch()
    patch.chdir(root)
    patch.setenv("NASCENCE_DATA", str(root / "no data"))
    patch.setenv("XDG_CACHE_HOME", str(root / "no cache"))
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.setenv("COLUMNS", "200")
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")])))
    patch.delenv("NASCENCE_DEBUG", raising=False)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    classes(root / "pets")
    classes(root / "one class", names=("cat",))
    classes(root / "few", count=3)
    classes(root / "single", count=1)
    classes(root / "text inside")
    (root / "text inside/dog/notes.txt").write_text("no image")
    for name, content in (("truncated", encoded(3)[:-30]), ("no bytes", b""), ("not an image", b"GIF89a of a kind")):
        classes(root / name)
        (root / name / "dog/0.png").write_bytes(content)
    classes(root / "empty class")
    (root / "empty class/emu").mkdir()
    classes(root / "sizes")
    picture(9, (9, 8)).save(root / "sizes/dog/0.png")
    (root / "nothing").mkdir()
    np.savez(root / "good.npz", images=pixels, labels=np.arange(20) % 2)
    (root / "cut.npz").write_bytes((root / "good.npz").read_bytes()[:-200])
    (root / "empty.npz").write_bytes(b"")
    np.savez(root / "one.npz", images=pixels, labels=np.zeros(20, np.int64))
    np.savez(root / "unequal.npz", images=pixels, labels=np.arange(19) % 2)
    np.savez(root / "nameless.npz", pixels, np.arange(20))
    np.savez(root / "objects.npz", images=pixels, labels=np.array([{}] * 20, dtype=object))
    np.savez(root / "floats.npz", images=pixels * 3.0, labels=np.arange(20) % 2)
    table = {"image": [encoded(at) for at in range(20)], "label": ["a", "b"] * 10}
    pq.write_table(pa.table(table), root / "good.parquet")
    (root / "cut.parquet").write_bytes((root / "good.parquet").read_bytes()[:-50])
    pq.write_table(pa.table({"image": table["image"], "name": table["label"]}), root / "columns.parquet")
    pq.write_table(pa.table({**table, "image": [b"no image"] * 20}), root / "pixels.parquet")
    pq.write_table(pa.table(table).slice(0, 0), root / "rows.parquet")
    (root / "words.txt").write_text("words")
    yield root
    patch.undo()


# Runs many command lines in one process, and says of each what it printed and whether any file changed.
BATCH = """
import contextlib, hashlib, io, json, shlex, sys
from pathlib import Path
from nascence.reading import read_json
from nascence.cli import main
from nascence.methods import METHODS

def everything():
    found = sorted(path for path in Path().rglob("*") if path.name != ".lock")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in found}

METHODS.register("toy", "nascence.testing.toy_method:ToyMethod")
told, before = [], everything()
for line in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(shlex.split(line))
    now = everything()
    told.append([code, out.getvalue(), err.getvalue(), now != before])
    before = now
print(json.dumps(told))
"""


def say(*lines: str, **options: Any) -> list[Told]:
    """What the command line answers to each of ``lines``."""
    command = [sys.executable, "-c", BATCH]
    done = subprocess.run(command, input=json.dumps(lines), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return [Told(*told) for told in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def answers(place: Path) -> dict[str, Told]:
    """Every case's answer, given in a place with two runs and damaged copies of them."""
    made = say(f"{TOY} --out found", f"{TOY} --out trained", "train trained --epochs 1", f"{FRONT} --out front")
    assert [told.code for told in made] == [0, 0, 0, 0]
    record = read_json(Path("found/architecture.json"))
    table = {"format": 1, "space": "darts", "network": {"channels": 1}, "input_shape": [3, 8, 8], "num_classes": 2}
    table |= {"device": "another CPU", "threads": 1, "constant": 0.0, "parts": {}, "checked": 1}
    for name, text in {
        "table.json": json.dumps({**table, "median_error": 0.1, "error_90": 0.2, "rank_correlation": None}),
        "broken.json": '{"space": "nas-bench-201", "archi',
        "foreign.json": '{"weights": [1, 2]}',
        "list.json": "[1, 2]",
        "other.json": json.dumps({**record, "architecture": "|conv~0|", "choices": {"1<-0": "conv"}}),
        "elsewhere.json": json.dumps({**record, "space": "mars"}),
        "binary.json": "\x00\x01",
    }.items():
        Path(name).write_text(text)
    config = read_json(Path("found/config.json"))
    for name, changed in {"newer": {**config, "format": 99}, "alien": {"format": 1, "mine": 2}}.items():
        Path(name).mkdir()
        Path(name, "config.json").write_text(json.dumps(changed))
    Path("damaged").mkdir()
    Path("damaged/config.json").write_text("{")
    for name, file, text in (
        ("odd", "metrics.json", "[]"),
        ("empty", "metrics.json", "{}"),
        ("hollow", "architecture.json", "{}"),
    ):
        shutil.copytree("trained", name)
        Path(name, file).write_text(text)
    lines = [line for line, _ in CASES] + WITH_JSON
    return dict(zip(lines, say(*lines), strict=True))


NAMES = [
    ("search --method te-naas --out new", "Did you mean 'te-nas'"),
    ("search --space nasbench201 --out new", "Did you mean 'nas-bench-201'"),
    ("search --data digitz --out new", "Did you mean 'digits'"),
    ("search --data cifar10 --out new", "cifar10"),
    (f"{TOY} --set stepz=3 --out new", "Did you mean 'steps'"),
    (f"{TOY} --set steps=three --out new", "expected: integer"),
    (f"{TOY} --set steps=2.5 --out new", "expected: integer"),
    (f"{TOY} --set rule=jump --out new", "one of mutate, mix"),
    (f"{TOY} --set steps --out new", "expected name=value"),
    (f"{TOY} --set steps=1 --set steps=2 --out new", "given twice"),
    ("search --method te-nas --set repeats=many --out new", "expected: integer"),
    ("search --method nasi --set labels=wrong --out new", "one of true, random"),
    ("train found --set speed=3", "Unknown setting"),
    ("train found --preset imagenet", "Unknown training preset"),
    ("score --scores ntk-conditon --random 1", "Did you mean 'ntk-condition'"),
    ("score --scores params --space mars --random 1", "Unknown space 'mars'"),
    ("compare --methods toy,te-naas --out new", "Did you mean 'te-nas'"),
    ("compare --methods toy --space mars --out new", "Unknown space"),
    ("export trained --format torch", "Known: onnx, python"),
    ("serch", "nascence --help"),
    ("search --methd toy", "nascence search --help"),
    ("search --seed first", "integer"),
    ("runs show nowhere", "no run directory nowhere"),
]
DATA = [
    ("nowhere/at/all", "nothing at nowhere/at/all"),
    ("./nothing", "CLASS/IMAGE"),
    ("words.txt", "no data set"),
    ("./pets/cat", "class folders"),
    ("one class", "only the class 'cat'"),
    ("one.npz", "at least two classes"),
    ("text inside", "notes.txt is not an image"),
    ("truncated", "damaged"),
    ("no bytes", "is empty"),
    ("not an image", "damaged"),
    ("empty class", "emu is empty"),
    ("single", "for testing"),
    (" ", "is empty"),
    ("cut.npz", "no valid .npz"),
    ("empty.npz", "no valid .npz"),
    ("unequal.npz", "20 images"),
    ("nameless.npz", "x_train"),
    ("objects.npz", "no valid .npz"),
    ("floats.npz", "expected 0 to 1"),
    ("cut.parquet", "parquet"),
    ("columns.parquet", "label"),
    ("pixels.parquet", "not an image"),
    ("rows.parquet", "no rows"),
]
REST = [
    (f"{TOY} --out found", "--overwrite"),
    (f"{TOY} --out pets", "in the way"),
    (f"{TOY} --out pets --overwrite", "in the way"),
    (f"{TOY} --out words.txt", "in the way"),
    (f"{TOY} --out words.txt/run", "words.txt"),
    (f"{TOY} --max-params 12 --out new", "reachable: parameters from"),
    (f"{TOY} --max-flops 12 --out found --overwrite", "reachable: FLOPs from"),
    (f"{TOY} --max-params 0 --out new", "positive number"),
    (f"{TOY} --threads 0 --out new", "at least 1"),
    (f"{TOY} --threads 18446744073709551616 --out new", "at most 4,096"),
    (f"{TOY} --depth 2147483648 --out new", "at most 1,000"),
    (f"{TOY} --channels 2147483648 --out new", "at most 16,384"),
    (f"{TOY} --seed 99999999999999999999 --out new", "seed"),
    (f"{TOY} --set steps=1000000000 --out new", "at most 1,000,000"),
    (f"{TOY} --out .", "the folder you are in"),
    (f"{TOY} --out / --overwrite", "the folder you are in"),
    (f"{TOY} --out {'n' * 300}", "name too long"),
    (f"{TOY} --data {'d' * 300} --out new", "d"),
    ("score --random 1000000000", "at most 100,000"),
    ("score --scores naswot --sample 1 --out .", "expected --out scores.parquet"),
    ("score --scores naswot --sample 1 --out /", "expected --out /scores.parquet"),
    ("score --random 1 --draws 1000000000", "at most 10,000"),
    ("compare --seeds 1000000000 --out new", "at most 10,000"),
    ("measure --networks 1000000000 --out new.csv", "at most 1,000,000"),
    ("measure --out new.json --checks 1000000000", "at most 1,000,000"),
    ("measure found --channels 2147483648", "at most 16,384"),
    ("measure found --depth 18446744073709551616", "at most 1,000"),
    (f"{TOY} --depth 0 --out new", "at least 1"),
    (f"{TOY} --data pets --image-size 0 --out new", "at least 1 pixel"),
    (f"{TOY} --data pets --image-size 1000000 --out new", "memory"),
    ("search --method te-nas --data few --set repeats=1 --out new", "choose a smaller batch"),
    ("search --method te-nas --set images=0 --out new", "at least 2"),
    ("search --method nasi --space nas-bench-macro --out new", "cells"),
    ("train found --data pets", "--data does not go with a run directory"),
    ("train found --epochs 0", "at least 1"),
    ("train found --batch-size 5000", "smaller batch"),
    ("train trained --epochs 2", "--overwrite"),
    ("train found --preset darts", "no auxiliary head"),
    ("train found --set drop_path=2", "drop_path"),
    ("train broken.json --out new", "broken.json"),
    ("train foreign.json --out new", "foreign.json"),
    ("train list.json --out new", "list.json"),
    ("train other.json --out new", "other.json"),
    ("train elsewhere.json --out new", "mars"),
    ("train binary.json --out new", "binary.json"),
    ("train missing.json --data digits --out new", "missing.json"),
    ("train found/architecture.json", "--out"),
    ("train '|none~0|' --space nas-bench-201 --data digits --out new", "expected the form"),
    ("train abc --data digits --out new", "add --space"),
    ("score foreign.json --scores params", "foreign.json"),
    ("score words --scores params", "expected the form"),
    ("score", "nothing to score"),
    ("export found", "nascence train found"),
    ("export trained --out words.txt", "--overwrite"),
    ("export trained --out pets --overwrite", "is a directory"),
    ("export trained --format python --out net", "no name of a Python file"),
    ("export trained --format python --out 'my net.py'", "no name of a Python file"),
    ("export hollow", "hollow/architecture.json"),
    ("train odd --epochs 1", "odd/metrics.json"),
    ("runs show odd", "odd/metrics.json"),
    ("train empty --epochs 1", "empty/metrics.json"),
    ("export nothing", "no run directory"),
    ("report pets", "no run directory"),
    ("runs show newer", "newer Nascence"),
    ("runs resume newer", "newer Nascence"),
    ("train newer", "newer Nascence"),
    ("export newer", "newer Nascence"),
    ("runs resume alien", "written by something else"),
    ("runs show damaged", "not valid JSON"),
    ("runs delete found", "--yes"),
    ("runs delete pets --yes", "no run directory"),
    ("runs list nowhere", "no directory nowhere"),
    ("compare --methods toy --seeds 0 --out new", "one seed"),
    ("compare --methods toy --out pets", "something else"),
]
FRONTS = [
    (f"{TOY} --objectives error,params --out new", "try --method evolution"),
    ("search --method evolution --objectives error --out new", "two objectives or more"),
    ("search --method evolution --objectives error,parms --out new", "Did you mean 'params'"),
    ("search --method evolution --objectives params,flops --out new", "Costs alone"),
    ("search --method evolution --objectives error,params --set objectives=error,flops --out new", "given twice"),
    (f"{FRONT} --max-params 1296 --out new", "contradicts --max-params"),
    (f"{FRONT} --max-params 12 --out front --overwrite", "reachable: parameters from"),
    ("search --method evolution --set value=table --out new", "no table of nas-bench-201"),
    (
        "search --method evolution --set value=supernet --space nas-bench-macro --out new",
        "has none; use value=training, or a score",
    ),
    ("plan --set population=1 --method evolution", "at least 2"),
    ("plan --method te-naas", "Did you mean 'te-nas'"),
    (f"{TOY} --latency-table table.json --out new", "of the space 'darts', not of 'nas-bench-201'"),
    (f"{TOY} --latency-table broken.json --out new", "not valid JSON"),
    (f"{TOY} --latency-table list.json --out new", "no latency table"),
    ("plan --latency-table missing.json --no-measure", "Cannot read the latency table"),
    ("train front --pick max-params=10", "there is params from"),
    ("train front --pick max-speed=10", "Unknown number of a front's networks 'speed'"),
    ("train front --pick 99", "indices 0 to"),
    ("train front --pick best", "expected knee, an index, or limits"),
    ("train front --pick max-params=many", "is no number"),
    ("train found --pick knee", "no front to pick from"),
    ("train found/architecture.json --pick knee --out new", "is no run directory"),
    ("measure", "Say what to measure"),
    ("measure found --out new", "Say what to measure"),
    ("measure --out words.txt", "--overwrite"),
    ("measure --out new --checks 0 --channels 2", "at least 1"),
]
CASES = [*NAMES, *((f"{TOY} --data '{data}' --out new", message) for data, message in DATA), *REST, *FRONTS]
WITH_JSON = [f"{CASES[at][0]} --json" for at in (0, 10, 30, 50, 70)]


@pytest.mark.parametrize(("line", "message"), CASES, ids=[line for line, _ in CASES])
def test_one_sentence_exit_code_2_and_nothing_overwritten(answers: dict[str, Told], line: str, message: str) -> None:
    told = answers[line]
    assert told.code == 2, told
    said = [sentence for sentence in told.err.splitlines() if not sentence.endswith(" steps")]  # progress had begun
    assert len(said) == 1, told
    assert message in said[0], told
    assert told.out == ""
    assert not told.changed


@pytest.mark.parametrize("line", WITH_JSON)
def test_with_json_the_sentence_is_the_one_object_on_stdout(answers: dict[str, Told], line: str) -> None:
    told = answers[line]
    assert told.code == 2
    assert json.loads(told.out) == {"error": told.err.strip(), "exit_code": 2}
    assert not told.changed


def test_no_space_left_is_one_sentence_and_the_run_goes_on(place: Path) -> None:
    """A limit on the size of files stands for the full device: the event file may not grow beyond it."""
    (told,) = say(
        f"{TOY} --set steps=200 --out full",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)),
    )
    assert told.code == 2
    assert "nascence runs resume full" in told.err.splitlines()[-1]
    again = say("runs resume full", f"{TOY} --set steps=200 --out whole")
    assert [told.code for told in again] == [0, 0]
    found, whole = (read_json(Path(run, "architecture.json")) for run in ("full", "whole"))
    assert found["architecture"] == whole["architecture"]


def test_images_of_several_sizes_are_brought_to_one_that_is_told(place: Path) -> None:
    (told,) = say(f"{TOY} --data sizes --out run-sizes")
    assert told.code == 0
    assert "2 different sizes" in told.err
    assert "all are brought to 8 x 8" in told.err
    config = read_json(Path("run-sizes/config.json"))
    assert (config["image_size"], config["task"]["input_shape"]) == (8, [3, 8, 8])


MODES = [("L",), ("RGBA",), ("P",), ("1",), ("L", "RGBA", "P", "RGB", "LA", "1")]


def test_odd_kinds_of_images_and_labels_are_accepted(place: Path) -> None:
    """Grey, transparent and palette images are converted; labels are mapped to 0..K-1, and the mapping is kept."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    np.savez("numbers.npz", images=pixels, labels=np.array([7, -3] * 10))
    np.savez("words.npz", images=pixels, labels=np.array(["rye", "oat"] * 10))
    expected: dict[str, tuple[list[Any], int]] = {
        "numbers.npz": ([-3, 7], 3),
        "words.npz": (["oat", "rye"], 3),
        "good.parquet": (["a", "b"], 3),
    }
    for modes in MODES:
        name = "-".join(modes)
        classes(Path(name), modes)
        expected[name] = (["cat", "dog"], 3 if set(modes) & {"RGBA", "RGB"} else 1)
    told = say(*(f"{TOY} --data ./{data} --out run-{data}" for data in expected))
    assert [one.code for one in told] == [0] * len(expected), told
    for data, (labels, channels) in expected.items():
        task = read_json(Path(f"run-{data}", "config.json"))["task"]
        assert task["labels"] == labels, data
        assert task["class_names"] == list(map(str, labels)), data
        assert task["input_shape"] == [channels, 8, 8], data
