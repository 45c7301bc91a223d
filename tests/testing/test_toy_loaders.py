"""A graph and pictures under noise, known by public interfaces alone, go by the same commands as images."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # for processes.py

import nascence
from nascence.cli import main
from nascence.errors import DataError
from nascence.reading import read_json, read_json_lines
from nascence.spaces import SPACES
from nascence.tasks import load_task
from nascence.tasks.loaders import TASKS
from nascence.testing.toy_loaders import ToyGraphLoader, ToyPicturesLoader, register_toys
from processes import Program

SCRIPT = str(Path(__file__).with_name("toy_program.py"))
KINDS = {"toy-pictures": ("gdas", "toy-denoiser", "toy-denoising"), "toy-graph": ("darts", "toy-graph", "toy-graph")}
SETTINGS = ("epochs=3", "warmup_epochs=0", "batch_size=4", "check_images=4")
SEARCH = ("--seed", "3", *(part for text in SETTINGS for part in ("--set", text)))
TRAIN = ("--epochs", "3")
TIMES = ("seconds", "per_second")


@pytest.fixture(autouse=True)
def known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASCENCE_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("STEPS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    source = str(Path(nascence.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])))
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))
    monkeypatch.setattr(SPACES, "_entries", dict(SPACES._entries))
    register_toys()
    for kind in KINDS:
        (tmp_path / f"some.{kind}").write_text("1\n")


def killed(arguments, events, count=2):
    """Ends when ``events`` has ``count`` lines: the process is killed then."""
    program = Program(SCRIPT, arguments, Path("output"))
    while not (events.is_file() and events.read_bytes().count(b"\n") >= count):
        assert program.alive(), program.errors
        time.sleep(0.01)
    program.send_signal(signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL


def command(*arguments):
    assert main([*map(str, arguments)]) == 0


def told(path):
    events = read_json_lines(path)
    return [{name: value for name, value in event.items() if not name.endswith(TIMES)} for event in events]


def assert_same(one, two):
    """Of nested values, to the bit."""
    assert type(one) is type(two)
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for name in one:
            assert_same(one[name], two[name])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    else:
        assert one == two


@pytest.mark.parametrize("kind", list(KINDS))
def test_killed_at_both_stages_and_resumed_it_is_the_same_to_the_bit(kind):
    method, space, _ = KINDS[kind]
    search = ("search", "--method", method, "--space", space, "--data", f"some.{kind}", *SEARCH, "--out")
    command(*search, "whole")
    command("train", "whole", *TRAIN)
    broken = Path("broken")
    killed([*search, "broken"], broken / "events.jsonl")
    assert not (broken / "architecture.json").exists()
    command("runs", "resume", "broken")
    killed(["train", "broken", *TRAIN], broken / "training.jsonl")
    assert not (broken / "metrics.json").exists()
    command("runs", "resume", "broken")
    for stage in ("events.jsonl", "training.jsonl"):
        assert told(Path("whole", stage)) == told(broken / stage)
    texts = [read_json(Path(run, "architecture.json"))["architecture"] for run in ("whole", "broken")]
    assert texts[0] == texts[1]
    whole, again = (torch.load(Path(run, "model.pt"), weights_only=True) for run in ("whole", "broken"))
    assert_same(whole, again)
    for command_line in (("export", "broken", "--format", "onnx"), ("report", "broken")):
        command(*command_line)
    assert list(broken.glob("**/*.onnx"))
    assert (broken / "report.html").is_file()


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_is_recognised_and_its_seed_makes_the_task(kind, tmp_path):
    task = load_task(f"some.{kind}")
    assert task.name == KINDS[kind][2]
    loader = {each.kind: each for each in (ToyPicturesLoader, ToyGraphLoader)}[kind]()
    assert loader.recognises(tmp_path / f"some.{kind}")
    assert not loader.recognises(tmp_path / f"other.{kind}")
    (tmp_path / f"some.{kind}").write_text("many")
    with pytest.raises(DataError, match="a number such as 0"):
        load_task(f"some.{kind}")
