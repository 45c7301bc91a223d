import os
import signal
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for plugin_work.py, here and in the workers

from plugin_work import Square, Stillborn

from nascence.engine.pool import ATTEMPTS, Inline, LocalProcesses, visible_gpu
from nascence.errors import DataError, NascenceError, RunError, SettingError

NUMBERS = [5, 2, 9, 1, 7, 3, 8]


def run(executor, work, numbers=NUMBERS):
    pairs = list(executor.map(work, numbers))
    assert sorted(at for at, _ in pairs) == list(range(len(numbers)))  # each once
    assert all(threads == 1 for _, (_, threads) in pairs)
    return {at: value for at, (value, _) in pairs}


def started(folder):
    return len(list(folder.glob("ready-*")))


@pytest.mark.parametrize("executor", [Inline(), LocalProcesses(1), LocalProcesses(3)])
def test_every_item_once_with_one_thread(tmp_path, executor):
    work = Square(str(tmp_path), together=executor.workers)
    assert run(executor, work) == {at: number**2 for at, number in enumerate(NUMBERS)}
    assert started(tmp_path) == executor.workers


def test_inline_gives_the_threads_back(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(Inline(), Square(str(tmp_path)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_no_more_workers_than_work_and_none_for_nothing(tmp_path):
    assert run(LocalProcesses(4), Square(str(tmp_path)), [3]) == {0: 9}
    assert started(tmp_path) == 1
    assert run(LocalProcesses(4), Square(str(tmp_path)), []) == {}


def test_workers_that_die_are_replaced_and_their_work_redone(tmp_path):
    work = Square(str(tmp_path), deadly=(2, 7), times=ATTEMPTS - 1, together=2)
    assert run(LocalProcesses(2), work) == {at: number**2 for at, number in enumerate(NUMBERS)}
    assert len(list(tmp_path.glob("died-*"))) == 2 * (ATTEMPTS - 1)
    assert started(tmp_path) == 2 + 2 * (ATTEMPTS - 1)


def test_killing_every_worker_from_outside_loses_nothing(tmp_path):
    numbers = list(range(15, 75))
    found, killed = {}, set()
    for at, (value, _) in LocalProcesses(2).map(Square(str(tmp_path), together=2), numbers):
        assert at not in found
        found[at] = value
        alive = {int(note.name.removeprefix("ready-")) for note in tmp_path.glob("ready-*")} - killed
        if len(found) in (10, 40):
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            killed |= alive
    assert len(killed) >= 3
    assert found == {at: number**2 for at, number in enumerate(numbers)}


def test_an_item_that_always_kills_is_named(tmp_path):
    with pytest.raises(RunError, match=f"died {ATTEMPTS} times on 8"):
        run(LocalProcesses(2), Square(str(tmp_path), deadly=(8,), times=ATTEMPTS))


def test_workers_that_never_get_ready_end_the_work():
    with pytest.raises(RunError, match="before they were ready"):
        list(LocalProcesses(1).map(Stillborn(), [1]))


def test_errors_of_the_work_reach_the_caller(tmp_path):
    with pytest.raises(NascenceError, match="Thirteen is no number"):
        run(LocalProcesses(1), Square(str(tmp_path)), [1, 13])
    with pytest.raises(RuntimeError, match="ZeroDivisionError: fourteen"):
        run(LocalProcesses(1), Square(str(tmp_path)), [1, 14])
    with pytest.raises(DataError, match="Thirteen"):
        run(Inline(), Square(str(tmp_path)), [13])


def test_closing_the_iterator_ends_the_workers(tmp_path):
    stream = LocalProcesses(2).map(Square(str(tmp_path)), NUMBERS * 100)
    next(stream)
    stream.close()
    for note in tmp_path.glob("ready-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.name.removeprefix("ready-")), 0)


def test_zero_workers():
    with pytest.raises(SettingError, match="at least 1, got 0"):
        LocalProcesses(0)


@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [("", 0, [None] * 3), ("", 2, ["0", "1", "0"]), ("4,7", 2, ["4", "7", "4"]), ("4", 2, ["4"] * 3)],
)
def test_workers_take_gpus_in_turn(monkeypatch, visible, gpus, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [visible_gpu(number, gpus) for number in range(3)] == expected
