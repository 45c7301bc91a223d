"""One worker: what it sees, what comes back, and that nothing of it is left."""

import os

import pytest

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
    assert not worker.process.is_alive()


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
