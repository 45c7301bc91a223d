"""Run directories with damaged bytes, values of other types, links and pipes in the place of files: every command says
one sentence and ends with 2, or works; and nothing outside of the run changes.

``NASCENCE_CASES=5000`` takes a long look (about half a second a case).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from nascence.cli import main
from nascence.errors import NascenceError
from nascence.methods import METHODS
from nascence.reading import read_json, read_json_lines, without_checksum
from nascence.testing.toy_method import ToyMethod

CASES = int(os.environ.get("NASCENCE_CASES", "25"))
quick = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)

FRONT = (
    "search --method evolution --objectives naswot,params --channels 2 --depth 1 --set population=4 --set generations=1"
)
JSON_FILES = ("config.json", "architecture.json", "metrics.json", "front.json", "exports.json", "random_cloud.json")
LINE_FILES = ("events.jsonl", "training.jsonl")
OTHERS = ("model.pt", "checkpoint.pt", "training.pt", ".lock")
LOOKS = ("runs show {run}", "runs list {run}", "report {run}", "export {run} --format python", "runs resume {run}")
COMMANDS = (
    *LOOKS,
    "train {run} --epochs 1",
    "train {run} --pick knee --epochs 1 --overwrite",
    "score {run} --scores params --json",
    "predict {run} picture.png --out {run}-predicted.csv --overwrite",
    "attack {run} --attacks fgsm --images 2",
    "measure {run} --repeats 2 --warm-up 1",
    "train {run} --epochs 1 --overwrite --policy {run}/architecture.json --class-weights {run}/metrics.json",
    "report {run} --out {run}-elsewhere.html --overwrite",
)


def say(line: str) -> tuple[int, str]:
    """The exit code, and what went to stderr."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
        code = main(line.split(" "))
    return code, told.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run that has everything, and a file outside of it."""
    folder = tmp_path_factory.mktemp("runs")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("NASCENCE_DATA", str(folder / "no data"))
    patch.delenv("NASCENCE_DEBUG", raising=False)
    patch.setitem(METHODS._entries, "toy", ToyMethod)
    lines = (f"{FRONT} --out whole", "train whole --epochs 1", "report whole", "export whole --format python")
    for line in lines:
        code, told = say(line)
        assert code == 0, told
    (folder / "outside").write_text("not ours")
    Image.new("L", (8, 8), 99).save(folder / "picture.png")
    yield folder
    patch.undo()


@pytest.fixture
def again(place: Path) -> Callable[[], Path]:
    """A fresh copy of the run."""

    def copy() -> Path:
        for old in place.glob("*r*"):
            if old.name.startswith((".run", "run")):
                shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink()
        shutil.copytree(place / "whole", place / "run")
        return place / "run"

    return copy


def check(place: Path, command: str) -> None:
    code, told = say(command.format(run="run"))
    assert code in (0, 2), told
    assert "Traceback" not in told
    assert code == 0 or told.strip(), command
    assert (place / "outside").read_text() == "not ours"


CHECKSUM_ENTRY = re.compile(r',\s*"checksum": "[0-9a-f]{8}"\s*}$', re.MULTILINE)
DAMAGE = st.tuples(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4), st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3])
)


@quick
@given(
    name=st.sampled_from((*JSON_FILES, *LINE_FILES, *OTHERS)),
    summed=st.booleans(),
    damage=DAMAGE,
    command=st.sampled_from(COMMANDS),
)
def test_damaged_bytes(
    place: Path, again: Callable[[], Path], name: str, summed: bool, damage: Any, command: str
) -> None:
    path = again() / name
    if not summed and path.suffix in (".json", ".jsonl") and path.exists():  # as an earlier version wrote it
        path.write_text(CHECKSUM_ENTRY.sub("}", path.read_text()))
    places, cut = damage
    content = bytearray(path.read_bytes() if path.exists() else b"")
    for share, value in places if content else ():
        content[min(len(content) - 1, int(share * len(content)))] = value
    path.write_bytes(bytes(content[: int(cut * len(content))]))
    check(place, command)


@quick
@given(name=st.sampled_from((*JSON_FILES, *LINE_FILES)), share=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed_or_changes_nothing(
    place: Path, again: Callable[[], Path], name: str, share: float, bit: int
) -> None:
    path = again() / name
    if not path.exists():
        return
    read = read_json if name in JSON_FILES else lambda path: list(read_json_lines(path))
    content, whole = bytearray(path.read_bytes()), read(path)
    content[min(len(content) - 1, int(share * len(content)))] ^= 1 << bit
    path.write_bytes(bytes(content))
    try:
        found = read(path)
    except NascenceError:
        return
    if isinstance(whole, list):
        assert found in (whole, whole[:-1])  # a last line without its end is taken for torn
    else:  # a checksum that is no longer called so is one entry more
        assert {**found, **whole} == found


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from spots(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    inner: Any = dict(value) if isinstance(value, dict) else list(value)
    inner[path[0]] = put(inner[path[0]], path[1:], new)
    return inner


DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 10**6, 10**30, 1e308, -0.5, float("nan"), float("inf")),
        *("", "nan", "a\x1b[31mb", "x" * 5000, "\ud800", "../../outside", "/etc/passwd", "a\0b", "~nobody/x"),
        *([], {}, [1, "a"], {"a": 1}, DEEP, [[1.0]], ["; rm -rf /"]),
    ]
)


@quick
@given(name=st.sampled_from((*JSON_FILES, *LINE_FILES)), odd=ODD, command=st.sampled_from(COMMANDS), data=st.data())
def test_values_of_another_kind(
    place: Path, again: Callable[[], Path], name: str, odd: Any, command: str, data: st.DataObject
) -> None:
    path = again() / name
    lines = path.read_text().splitlines() if name in LINE_FILES else [path.read_text()]
    at = data.draw(st.integers(0, len(lines) - 1))
    value = without_checksum(json.loads(lines[at]))
    where = data.draw(st.sampled_from([(), *list(spots(value))[:300]]))
    lines[at] = json.dumps(put(value, where, odd))
    path.write_text("\n".join(lines) + "\n")
    check(place, command)


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "pipe", "folder", "deep"])
def test_other_things_in_the_place_of_files(place: Path, again: Callable[[], Path], kind: str) -> None:
    names = (*JSON_FILES, *LINE_FILES, *OTHERS, ".report.html.tmp", ".exports.json.tmp", "report.html", ".retraining")
    for at, name in enumerate(names):
        path = again() / name
        if path.exists():
            path.unlink()
        if kind == "link":
            path.symlink_to(place / "outside")
        elif kind == "dangling":
            path.symlink_to(place / "created")
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.write_text("[" * 100_000)
        for command in (COMMANDS[at % len(COMMANDS)], COMMANDS[(at + 4) % len(COMMANDS)]):
            check(place, command)
        assert not (place / "created").exists()
    assert say("runs list .")[0] == 0


WRITERS = {
    "export {run}": ("model.onnx", "exports.json"),
    "export {run} --format python": ("model.py", "exports.json"),
    "train {run} --epochs 1 --overwrite": (".retraining", "training.jsonl", "training.pt", "model.pt", "metrics.json"),
    "train {run} --epochs 1 --overwrite --tune 2": ("tuning.jsonl", "tuning.pt", "tuning.json", ".lock"),
    "attack {run} --attacks fgsm --images 2": ("attacks.json",),
    "report {run} --overwrite": ("report.html", "examples.json"),
}


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("kind", ["link", "dangling", "folder"])
def test_no_command_writes_through_a_link(place: Path, again: Callable[[], Path], command: str, kind: str) -> None:
    run, folder = again(), place / "another folder"
    folder.mkdir(exist_ok=True)
    behind = {"link": place / "outside", "dangling": place / "created", "folder": folder}[kind]
    for name in WRITERS[command]:
        if (run / name).is_dir():
            shutil.rmtree(run / name)
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(behind)
    check(place, command)
    assert not (place / "created").exists()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "events.jsonl", "front.json"])
def test_a_deeply_nested_file_spoils_its_own_run_alone(place: Path, again: Callable[[], Path], name: str) -> None:
    (again() / name).write_text('{"a":' * 10_000)
    code, told = say("runs list . --json")
    assert code == 0, told
    check(place, "runs show run")
    check(place, "report run")


@pytest.mark.parametrize(
    "value", ["float('nan')", "__import__('os')", float("nan"), float("inf"), 1e999, [], None, "0.5"]
)
@pytest.mark.parametrize("key", ["mean", "std", "input_shape", "class_names"])
def test_no_odd_value_reaches_generated_code(place: Path, again: Callable[[], Path], key: str, value: Any) -> None:
    run = again()
    config = read_json(run / "config.json")
    kept = config["task"].get(key)
    config["task"][key] = value if key == "class_names" else [value] * len(kept or [1])
    (run / "config.json").write_text(json.dumps(config))
    (run / "model.py").unlink()
    code, told = say("export run --format python")
    assert code == 2, told
    assert not (run / "model.py").exists()
