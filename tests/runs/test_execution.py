from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from walk import Walk

from nascence.errors import RunError
from nascence.runs import Interrupted, RunDirectory, execute, files
from nascence.runs.directory import SEARCH
from nascence.runs.execution import read_checkpoint
from processes import Program

WALK = Path(__file__).parent / "walk.py"


class Killed(BaseException):
    """What a SIGKILL would do, as far as one process can show it."""


def kill_at(step: int) -> Callable[[int], None]:
    def at_step(current: int) -> None:
        if current == step:
            raise Killed

    return at_step


def start(run: RunDirectory, steps: int, pause: float = 0.0, quota: int = 1_000_000) -> Program:
    return Program(str(WALK), [str(run.path), str(steps), str(pause), str(quota)], run.path.parent / "output")


def ticks() -> Callable[[], float]:
    """A clock on which a quarter of a second passes from reading to reading."""
    readings = itertools.count()
    return lambda: next(readings) / 4


def test_an_undisturbed_walk(run: RunDirectory) -> None:
    walk = Walk(20)
    seconds = execute(walk, run, clock=ticks(), checkpoint_seconds=1000.0)
    assert walk.done
    assert [event["step"] for event in run.events()] == list(range(1, 21))
    saved = read_checkpoint(run, SEARCH)
    assert saved["done"]
    assert saved["events"] == saved["steps_done"] == saved["total_steps"] == 20
    assert saved["seconds"] == seconds == 20 * 0.25


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
@pytest.mark.parametrize("step", [0, 1, 7, 19])
def test_a_lost_process_changes_nothing(tmp_path: Path, step: int, checkpoint_seconds: float) -> None:
    whole = RunDirectory.create(tmp_path / "whole", {"kind": "search"})
    expected = Walk(20)
    execute(expected, whole)
    run = RunDirectory.create(tmp_path / "killed", {"kind": "search"})
    with pytest.raises(Killed):
        execute(Walk(20, at_step=kill_at(step)), run, checkpoint_seconds=checkpoint_seconds)
    assert run.has("checkpoint.pt") == (checkpoint_seconds == 0 and step > 0)
    with open(run.path / "events.jsonl", "ab") as log:
        log.write(b'{"step": 99, "posi')  # a torn line
    walk = Walk(20)
    execute(walk, run, checkpoint_seconds=checkpoint_seconds)
    assert walk.position.tolist() == expected.position.tolist()
    assert run.events() == whole.events()


def test_a_finished_stage_is_not_repeated(run: RunDirectory) -> None:
    seconds = execute(Walk(5), run)
    before = (run.path / "events.jsonl").read_bytes()
    walk = Walk(5, at_step=kill_at(0))
    assert execute(walk, run) == seconds
    assert walk.done
    assert (run.path / "events.jsonl").read_bytes() == before


def test_seconds_add_up(run: RunDirectory) -> None:
    """Two steps of a quarter of a second and their two checkpoints, which a lost third step does not change."""
    with pytest.raises(Killed):
        execute(Walk(4, at_step=kill_at(2)), run, checkpoint_seconds=0.0, clock=ticks())
    first = read_checkpoint(run, SEARCH)["seconds"]
    assert first == 3 * 0.25  # the clock is read before, after each step, and after each checkpoint
    assert execute(Walk(4), run, checkpoint_seconds=0.0, clock=ticks()) == 2 * first


def test_events_lost_behind_the_checkpoint_are_told(run: RunDirectory) -> None:
    execute(Walk(5), run)
    (run.path / "events.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match="damaged"):
        execute(Walk(5), run)


@pytest.mark.parametrize("content", [{"a": 1}, {"state": {}, "seconds": 0.0, "events": 0, "done": False}, [1]])
def test_a_foreign_checkpoint_is_refused(run: RunDirectory, content: object) -> None:
    run.write_tensors("checkpoint.pt", content)
    with pytest.raises(RunError, match="checkpoint"):
        execute(Walk(5), run)


def test_a_checkpoint_that_does_not_fit_is_refused(run: RunDirectory) -> None:
    saved = {"state": {}, "seconds": 0.0, "events": 0, "done": False, "steps_done": 0, "total_steps": 5}
    run.write_tensors("checkpoint.pt", saved)
    with pytest.raises(RunError, match="does not fit"):
        execute(Walk(5), run)


def test_no_space_left_keeps_the_run_resumable(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write of the sixth checkpoint fails; with space again the walk ends as if nothing had been."""
    real, calls = files.write_bytes, []

    def full(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", full)
        with pytest.raises(RunError, match=f"No space is left .*continue with: nascence runs resume {run.path}"):
            execute(Walk(10), run, checkpoint_seconds=0.0)
    assert read_checkpoint(run, SEARCH)["steps_done"] == 5
    walk, expected = Walk(10), Walk(10)
    execute(walk, run)
    while not expected.done:
        expected.advance()
    assert walk.position.tolist() == expected.position.tolist()
    assert [event["step"] for event in run.events()] == list(range(1, 11))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has the always full device /dev/full")
def test_a_really_full_device_while_logging(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "open_growing", lambda path: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(RunError, match=r"No space is left .*events.jsonl"):
        execute(Walk(3), run)


def test_an_error_of_the_work_itself_is_not_called_a_write_error(run: RunDirectory) -> None:
    def fail(step: int) -> None:
        raise OSError(errno.ENOENT, "the data are gone")

    with pytest.raises(OSError, match="the data are gone") as caught:
        execute(Walk(3, at_step=fail), run)
    assert not isinstance(caught.value, RunError)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stop_requests_end_after_a_whole_step(run: RunDirectory, number: int, code: int) -> None:
    def stop(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"nascence runs resume {run.path}") as caught:
        execute(Walk(10, at_step=stop), run, checkpoint_seconds=1000.0)
    assert caught.value.exit_code == code
    assert signal.getsignal(number) is before
    assert read_checkpoint(run, SEARCH)["steps_done"] == 4
    assert len(run.events()) == 4


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_request_in_the_last_step_stops_what_would_come_next(run: RunDirectory, number: int, code: int) -> None:
    def stop(step: int) -> None:
        if step == 2:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted) as caught:
        execute(Walk(3, at_step=stop), run)
    assert caught.value.exit_code == code
    assert read_checkpoint(run, SEARCH)["done"]
    execute(Walk(3, at_step=lambda step: pytest.fail("a step was done again")), run)
    assert len(run.events()) == 3


@pytest.mark.parametrize(
    ("number", "again"), [(signal.SIGINT, "Ctrl-C once more"), (signal.SIGTERM, "the same signal once more")]
)
def test_a_stop_request_is_acknowledged_within_the_step(
    run: RunDirectory, capfd: pytest.CaptureFixture[str], number: int, again: str
) -> None:
    told = []

    def stop(step: int) -> None:
        os.kill(os.getpid(), number)
        told.append(capfd.readouterr().err)

    with pytest.raises(Interrupted):
        execute(Walk(10, at_step=stop), run)
    assert told == [f"Stopping after this step, which is kept; {again} stops at once.\n"]


def test_the_second_request_stops_at_once(run: RunDirectory) -> None:
    def stop(step: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        execute(Walk(10, at_step=stop), run)
    assert run.events() == []


def test_works_outside_the_main_thread(run: RunDirectory) -> None:
    thread = threading.Thread(target=execute, args=(Walk(3), run))
    thread.start()
    thread.join()
    assert len(run.events()) == 3


def test_a_signal_to_a_process(run: RunDirectory) -> None:
    process = start(run, 100_000, 0.01)
    while not run.events():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert "nascence runs resume" in process.output
    assert read_checkpoint(run, SEARCH)["events"] == len(run.events())


def test_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL at random moments: the result and every event are those of an undisturbed run. No process may do more
    than six steps, so that however late a kill comes, there is something left to kill."""
    steps, kills, draws = 120, 12, random.Random(0)
    whole = RunDirectory.create(tmp_path / "whole", {"kind": "search"})
    expected = Walk(steps)
    execute(expected, whole)
    run = RunDirectory.create(tmp_path / "killed", {"kind": "search"})
    for _ in range(kills):
        before = len(run.events())
        process = start(run, steps, 0.004, quota=6)
        while process.alive() and len(run.events()) < before + 3:
            time.sleep(0.002)
        time.sleep(draws.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        RunDirectory.open(run.path)
    assert start(run, steps).wait() == 0
    assert run.read_json("architecture.json") == {"position": expected.position.tolist()}
    assert (run.path / "events.jsonl").read_bytes() == (whole.path / "events.jsonl").read_bytes()
