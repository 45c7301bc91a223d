from __future__ import annotations

import errno
import subprocess
import sys
from typing import Any

import pytest

import nascence
from nascence.methods import METHODS


def one_sentence(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text


def test_version_and_help(nascence_command: Any) -> None:
    assert nascence_command("--version").out.strip() == nascence.__version__
    shown = nascence_command("--help")
    assert shown.code == 0
    assert nascence_command().out == shown.out
    for name in (
        "search",
        "train",
        "export",
        "report",
        "score",
        "compare",
        "runs",
        "methods",
        "spaces",
        "scores",
        "datasets",
    ):
        assert f"\n  {name} " in shown.out
        assert nascence_command(name, "--help").code == 0


def test_python_m_nascence() -> None:
    done = subprocess.run([sys.executable, "-m", "nascence", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, nascence.__version__)
    done = subprocess.run([sys.executable, "-m", "nascence", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert one_sentence(done.stderr)


def test_importing_the_package_is_cheap() -> None:
    """Help needs no PyTorch; the package alone needs no command line either."""
    for code, absent in (
        ("import nascence, nascence.cli", "torch typer rich"),
        ("from nascence.cli import main; assert main(['search', '--help']) == 0", "torch pyarrow matplotlib"),
    ):
        loaded = f"{code}\nimport sys; print([m for m in '{absent}'.split() if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["serch"],
        ["search", "--metod", "toy"],
        ["search", "--seed", "x"],
        ["search", "--max-params", "many"],
        ["search", "extra"],
        ["train"],
        ["export"],
        ["runs"],
        ["runs", "nothing"],
        ["runs", "show"],
        ["--nothing"],
    ],
)
def test_usage_errors_are_one_sentence_and_2(nascence_command: Any, arguments: list[str]) -> None:
    told = nascence_command(*arguments)
    assert told.code == 2
    assert told.out == ""
    assert one_sentence(told.err)
    assert "--help" in told.err
    told = nascence_command(*arguments, "--json")
    assert told.code == 2
    assert told.json["exit_code"] == 2
    assert told.json["error"]


def test_our_own_faults_are_short_and_1(nascence_command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, problem: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("nascence.testing.toy_method.ToyMethod.strategy", fail)
    told = nascence_command("search", "--method", "toy", "--out", "a", "--json")
    assert told.code == 1
    assert "ZeroDivisionError: division by zero" in told.json["error"]
    assert "NASCENCE_DEBUG=1" in told.err
    assert one_sentence(told.err)
    monkeypatch.setenv("NASCENCE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        nascence_command("search", "--method", "toy", "--out", "a")


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m nascence spaces --json | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 141
    assert done.stderr == ""


def test_methods_lists_settings(nascence_command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "names", lambda: ["toy"])
    (method,) = nascence_command("methods", "--json").json["methods"]
    assert method["name"] == "toy"
    assert method["settings"][0] == {"name": "steps", "type": "integer", "default": 5, "doc": "How many."}
    shown = nascence_command("methods").out
    assert "toy: Toy: a random walk" in shown
    assert "one of mutate, mix" in shown


def test_methods_of_one_name(nascence_command: Any) -> None:
    (method,) = nascence_command("methods", "drnas", "--json").json["methods"]
    about = {setting["name"]: setting for setting in method["settings"]}
    rate = about["weights.learning_rate"]
    assert (rate["alias"], rate["default"], rate["bounds"]) == ("learning_rate", 0.025, "at least 0")
    assert rate["doc"].startswith("Of the weights")
    assert about["epochs"]["default"] == 100
    shown = nascence_command("methods", "drnas").out
    assert "weights.learning_rate" in shown
    assert "stages=25:7:6,25:4:4" in shown
    assert "gdas:" not in shown
    refused = nascence_command("methods", "drna")
    assert refused.code == 2
    assert "drnas" in refused.err


def test_spaces(nascence_command: Any) -> None:
    spaces = {space["name"]: space for space in nascence_command("spaces", "--json").json["spaces"]}
    assert spaces["nas-bench-201"]["size"] == 15_625
    assert len(spaces["nas-bench-201"]["choices"]) == 6
    assert "evaluation" in spaces["darts"]["networks"]
    assert "15,625" in nascence_command("spaces").out


def test_datasets(nascence_command: Any, tmp_path: Any) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "data" / "pets" / name).mkdir(parents=True)
        (tmp_path / "data" / "pets" / name / "a.png").write_bytes(b"")
    listed = nascence_command("datasets", "--data-dir", tmp_path / "data", "--json").json
    names = {entry["name"]: entry for entry in listed["datasets"]}
    assert names["digits"]["available"]
    assert not names["cifar10"]["available"]
    assert "pets" in names
    assert "pets" in nascence_command("datasets", "--data-dir", tmp_path / "data").out


def test_a_full_device_anywhere_is_told(nascence_command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("nascence.tasks.describe_datasets", full)
    told = nascence_command("datasets")
    assert told.code == 2
    assert "No space is left on the device" in told.err
