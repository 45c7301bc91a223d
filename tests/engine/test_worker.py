"""One worker: what it sees, what comes back, and that nothing of it is left."""

import os
import pickle
import signal
from functools import partial

import pytest

from nascence import spawned
from nascence.engine.worker import Worker
from nascence.errors import DataError


def seen():
    return lambda name: os.environ.get(name)


def test_a_spawned_worker_sees_its_own_gpu_alone(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    worker = Worker(seen, gpu="1")
    try:
        worker.send("CUDA_VISIBLE_DEVICES")
        assert worker.result() == "1"
        assert worker.ready
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    finally:
        worker.end()
    assert not worker.alive


def large(content):
    return lambda item: (len(content), os.environ["OMP_NUM_THREADS"])


def test_more_than_a_pipe_holds_reaches_a_worker_that_computes_on_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    worker = Worker(partial(large, bytes(2**22)))
    try:
        worker.send(None)
        assert worker.result() == (2**22, "1")
    finally:
        worker.end()


def test_a_worker_that_dies_at_its_start_leaves_its_driver_nothing_to_wait_for(monkeypatch):
    monkeypatch.setattr(spawned, "BEGIN", "import os; os._exit(3)")
    worker = Worker(partial(large, bytes(2**22)))
    try:
        with pytest.raises((EOFError, OSError)):
            worker.receive()
    finally:
        worker.end()
    assert not worker.alive


def test_what_cannot_be_handed_over_leaves_no_process(monkeypatch):
    started = []
    start = spawned.start
    monkeypatch.setattr(spawned, "start", lambda *args, **own: started.append(start(*args, **own)) or started[0])
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        Worker(lambda: None)
    assert started[0].poll() is not None


@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_stops_a_whole_group_is_left_to_the_driver(start, number):
    worker = Worker(process_number, start)
    try:
        worker.send(None)
        os.kill(worker.result(), number)
        worker.send(None)
        assert worker.result() > 0
        assert worker.alive
    finally:
        worker.end()
    assert not worker.alive


def process_number():
    return lambda item: os.getpid()


def test_a_forked_worker_needs_nothing_picklable_and_its_errors_arrive():
    base = object()

    def work(item):
        if item < 0:
            raise DataError("no debts")
        if item == 0:
            raise OSError("a disk")
        return item + (base is not None)

    worker = Worker(lambda: work, "fork")
    try:
        worker.send(3)
        assert worker.result() == 4
        worker.send(-1)
        with pytest.raises(DataError, match="no debts"):
            worker.result()
        worker.send(0)  # what is not ours is told with where it came from
        with pytest.raises(RuntimeError, match="OSError: a disk\nTraceback"):
            worker.result()
        worker.send(5)
        assert worker.result() == 6, "an error does not end a worker"
    finally:
        worker.end()
    with pytest.raises(OSError, match="closed"):
        worker.send(1)
