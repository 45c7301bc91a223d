from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascence.cli.output import human
from nascence.cli.search import show_front
from nascence.reading import read_json
from nascence.runs import RunDirectory

TOY = ("search", "--method", "toy", "--channels", 2, "--depth", 1)


def test_a_search(nascence_command: Any) -> None:
    done = nascence_command(*TOY, "--seed", 2, "--out", "my run", "--set", "steps=3", "--max-params", "1e6")
    assert done.code == 0
    record = read_json(Path("my run/architecture.json"))
    assert record["architecture"] in done.out
    assert "nascence train 'my run'" in done.out
    assert "3/3 steps" in done.err
    assert record["settings"]["steps"] == 3
    assert record["budget"]["max_params"] == 1_000_000


def test_json_is_the_only_thing_on_stdout(nascence_command: Any) -> None:
    done = nascence_command(*TOY, "--out", "a", "--json")
    assert done.code == 0
    assert done.json == {"run": "a", **read_json(Path("a/architecture.json"))}
    assert "nascence train a" in done.err


def test_the_default_place_is_told_and_not_overwritten(nascence_command: Any) -> None:
    done = nascence_command(*TOY)
    place = Path("runs/toy-nas-bench-201-digits-s0")
    assert f"The run goes to {place}\n" in done.err
    assert f"nascence train {place}" in done.out
    before = (place / "architecture.json").read_bytes(), (place / "config.json").read_bytes()
    again = nascence_command(*TOY, "--set", "steps=9")
    assert again.code == 2
    assert f"nascence runs resume {place}" in again.err
    assert "--overwrite" in again.err
    assert before == ((place / "architecture.json").read_bytes(), (place / "config.json").read_bytes())
    assert nascence_command(*TOY, "--set", "steps=9", "--overwrite").code == 0
    assert len(RunDirectory.open(place).events()) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "te-naas"], "Did you mean 'te-nas'"),
        (["--space", "nasbench201"], "Did you mean 'nas-bench-201'"),
        (["--data", "cifar"], "Did you mean 'cifar10'"),
        (["--data", "missing/folder"], "nothing at missing/folder"),
        (["--set", "stps=3"], "Did you mean 'steps'"),
        (["--set", "steps=three"], "expected: integer"),
        (["--set", "rule=swap"], "one of mutate, mix"),
        (["--set", "steps"], "expected name=value"),
        (["--max-params", "12"], "reachable: parameters from"),
        (["--max-params", "-1"], "positive number"),
        (["--max-flops", "nan"], "positive number"),
        (["--threads", "0"], "at least 1"),
        (["--channels", "0"], "at least 1"),
    ],
)
def test_mistakes_are_one_sentence_and_2_and_leave_nothing(
    nascence_command: Any, arguments: list[str], message: str
) -> None:
    for extra in ([], ["--json"]):
        told = nascence_command("search", "--method", "toy", "--out", "a", *arguments, *extra)
        assert told.code == 2
        assert message in told.err
        assert told.err.count("\n") == 1
        assert told.out == "" if not extra else told.json["error"] == told.err.strip()
    assert list(Path().iterdir()) == []


def write_images(path: Path, labels: np.ndarray, **more: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 3), np.uint8)
    np.savez(path, x_train=pixels, y_train=labels, **more)


def test_unusable_data_are_one_sentence_and_2(nascence_command: Any) -> None:
    Path("empty").mkdir()
    Path("classes/a").mkdir(parents=True)
    Path("classes/b").mkdir()
    Path("classes/a/x.png").write_bytes(b"no image")
    Path("classes/b/y.png").write_bytes(b"")
    Path("empty.npz").write_bytes(b"")
    Path("broken.parquet").write_bytes(b"PAR1 and nothing more")
    Path("text.txt").write_text("text")
    write_images(Path("one.npz"), np.zeros(20, np.int64))
    write_images(Path("whole.npz"), np.arange(20) % 2)
    Path("cut.npz").write_bytes(Path("whole.npz").read_bytes()[:-300])
    for data in ("./empty", "classes", "empty.npz", "broken.parquet", "text.txt", "one.npz", "cut.npz"):
        told = nascence_command(*TOY, "--data", data, "--out", "a")
        assert told.code == 2, data
        assert told.err.count("\n") == 1, data
        assert not Path("a").exists()
    assert nascence_command(*TOY, "--data", "whole.npz", "--out", "a").code == 0


def test_any_labels_are_mapped_and_the_mapping_kept(nascence_command: Any) -> None:
    write_images(Path("mine.npz"), np.array([7, -3] * 10))
    assert nascence_command(*TOY, "--data", "mine.npz", "--out", "a").code == 0
    assert read_json(Path("a/config.json"))["task"]["labels"] == [-3, 7]


def wait_for_events(run: Path, count: int, process: Any) -> None:
    log = run / "events.jsonl"
    while not log.exists() or log.read_bytes().count(b"\n") < count:
        assert process.alive(), "the search ended by itself"
        time.sleep(0.01)


def finished(process: Any) -> tuple[int, str, str]:
    return process.wait(), process.output, process.errors


def test_killed_searches_end_like_undisturbed_ones(nascence_command: Any, start_nascence: Any) -> None:
    """SIGKILL twice; what 'runs resume' ends with is what one undisturbed search finds."""
    steps = ("--set", "steps=600", "--set", "pause=0.005", "--seed", 1)
    process = start_nascence(*TOY, *steps, "--out", "killed")
    for seen in (5, 20):
        wait_for_events(Path("killed"), seen, process)
        process.send_signal(signal.SIGKILL)
        assert finished(process)[0] == -signal.SIGKILL
        assert nascence_command("runs", "list", ".", "--json").json["runs"][0]["state"] == "stopped"
        process = start_nascence("runs", "resume", "killed", "--json")
    code, out, _ = finished(process)
    assert code == 0
    assert json.loads(out)["resumed"] == ["search"]
    assert nascence_command(*TOY, "--set", "steps=600", "--seed", 1, "--out", "whole").code == 0
    whole, killed = RunDirectory.open("whole"), RunDirectory.open("killed")
    assert whole.events() == killed.events()
    assert whole.read_json("architecture.json")["choices"] == killed.read_json("architecture.json")["choices"]
    again = nascence_command("runs", "resume", "killed")
    assert again.code == 0
    assert "finished" in again.out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_says_how_to_go_on(start_nascence: Any, number: signal.Signals, code: int) -> None:
    process = start_nascence(*TOY, "--set", "steps=1000000", "--set", "pause=0.01", "--out", "a", "--json")
    wait_for_events(Path("a"), 3, process)
    process.send_signal(number)
    got, out, err = finished(process)
    assert got == code
    assert "nascence runs resume a" in json.loads(out)["error"]
    assert "Traceback" not in err


def test_two_processes_on_one_run(nascence_command: Any, start_nascence: Any) -> None:
    process = start_nascence(*TOY, "--set", "steps=1000000", "--set", "pause=0.01", "--out", "a")
    wait_for_events(Path("a"), 1, process)
    for command in (("runs", "resume", "a"), ("runs", "delete", "a", "--yes"), (*TOY, "--out", "a", "--overwrite")):
        told = nascence_command(*command)
        assert told.code == 2
        assert "Another process" in told.err
    process.send_signal(signal.SIGKILL)
    finished(process)
    assert nascence_command("runs", "delete", "a", "--yes").code == 0


def test_no_space_left_is_told_and_the_search_resumes(nascence_command: Any) -> None:
    """A limit on the size of files stands for the full device: the event file may not grow beyond it."""
    program = (
        "import sys\nfrom nascence.methods import METHODS\nfrom nascence.cli import main\n"
        "METHODS.register('toy', 'nascence.testing.toy_method:ToyMethod')\nsys.exit(main())"
    )
    arguments = [*map(str, TOY), "--set", "steps=200", "--out", "a"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "nascence runs resume a" in done.stderr
    assert "Traceback" not in done.stderr
    assert nascence_command("runs", "resume", "a").code == 0
    assert len(RunDirectory.open("a").events()) == 200


def tiny(**values: int) -> list[str]:
    """Settings of a search by gradients that takes a second."""
    least = {"warmup_epochs": 0, "batch_size": 8, "check_images": 0, "image_size": 4}
    return [f"{name}={value}" for name, value in {**least, **values}.items()]


def test_presets_on_the_command_line(nascence_command: Any) -> None:
    done = nascence_command("search", "--method", "drnas", "--preset", "papr")
    assert done.code == 2
    assert "Unknown preset of drnas 'papr'. Did you mean 'paper'?" in done.err
    assert nascence_command("search", "--method", "random", "--preset", "paper").code == 2
    small = tiny(epochs=1, train_images=16, valid_images=16)
    settings = [part for value in small for part in ("--set", value)]
    done = nascence_command(*TOY[:1], "--method", "gdas", *TOY[3:], *settings, "--out", "a", "--preset", "laptop")
    assert done.code == 0
    assert "Preset laptop of gdas (there are also: paper)" in done.err
    assert "--preset laptop: " in nascence_command("methods").out


def test_a_collapsed_search_says_so_and_exits_with_0(nascence_command: Any) -> None:
    small = tiny(epochs=1, train_images=16, valid_images=16)
    only = "exclude=nor_conv_1x1,nor_conv_3x3,avg_pool_3x3"
    settings = [part for value in (*small, only) for part in ("--set", value)]
    done = nascence_command(*TOY[:1], "--method", "darts", *TOY[3:], *settings, "--out", "a", "--json")
    assert done.code == 0
    assert done.json["collapsed"] is True
    assert "The search collapsed" in done.err


def test_a_loss_that_is_not_finite_leaves_a_run_to_go_on_from(nascence_command: Any) -> None:
    small = tiny(epochs=3, train_images=64, valid_images=64)
    wild = ["clip_norm=0", "learning_rate=1e12"]
    settings = [part for value in (*small, *wild) for part in ("--set", value)]
    done = nascence_command(*TOY[:1], "--method", "darts", *TOY[3:], *settings, "--out", "a")
    assert done.code == 2
    assert "loss became" in done.err
    assert "Traceback" not in done.err
    again = nascence_command("runs", "resume", "a")
    assert again.code == 2
    assert "loss became" in again.err


def test_a_front_is_shown_and_picked_from(nascence_command: Any) -> None:
    settings = ("--set", "population=4", "--set", "generations=1", "--channels", 2, "--depth", 1)
    done = nascence_command("search", "--method", "evolution", "--objectives", "naswot,params", *settings, "--out", "f")
    assert done.code == 0
    assert "The front, " in done.out
    assert "knee" in done.out
    assert "nascence train f --pick INDEX" in done.out
    assert "params: Number of weights and biases." in done.out
    trained = nascence_command("train", "f", "--pick", "max-params=1e9", "--epochs", 1, "--json")
    assert trained.code == 0
    refused = nascence_command("train", "f", "--pick", "max-params=1", "--epochs", 1)
    assert refused.code == 2
    assert "there is params from" in refused.err
    assert nascence_command("report", "f").code == 0
    assert "The front</h2>" in Path("f/report.html").read_text()


def test_architectures_of_whole_networks_are_cut_in_the_table(tmp_path: Path, capsys: Any) -> None:
    def shown(architecture: str) -> str:
        row = {"index": 0, "values": {"error": 1.0}, "params": 10, "flops": 20, "architecture": architecture}
        objective = {"name": "error", "unit": "%", "description": "wrong answers"}
        run = RunDirectory.create(tmp_path / "run", {"kind": "search"}, overwrite=True)
        run.write_json("front.json", {"objectives": [objective], "knee": 0, "front": [row]})
        show_front(human(False), run.path)
        return "".join(capsys.readouterr().out.split())

    assert "a" * 120 in shown("a" * 120)
    long = shown("a" * 121)
    assert "a" * 119 + "\u2026" in long
    assert "a" * 120 not in long
    assert "wholein" + "".join(str(tmp_path / "run" / "front.json").split()) in long


def test_where_digits_is_assumed_a_sentence_says_so(nascence_command: Any) -> None:
    size = ("--method", "toy", "--channels", 2, "--depth", 1)
    sentence = "No data were named, so this is about digits"
    assert sentence in nascence_command("search", *size, "--out", "a").out
    assert sentence not in nascence_command("search", *size, "--data", "digits", "--out", "b").out
    told = nascence_command("search", *size, "--out", "c", "--json")
    assert sentence in told.err
    assert told.json["data"] == "digits"
    assert sentence in nascence_command("plan", *size, "--no-measure").out


def test_a_setting_by_its_flat_and_its_nested_name_is_refused(nascence_command: Any, tmp_path: Path) -> None:
    both = ("--set", "learning_rate=0.1", "--set", "weights.learning_rate=0.1")
    for given in (both, ("--preset", "laptop", *both), (*both[2:], *both[:2])):
        done = nascence_command("search", "--method", "darts", "--data", "digits", *given, "--out", "a")
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert "is given twice" in done.err
    assert not (tmp_path / "a").exists()
