"""The first moments of a worker: quiet when its driver goes away."""

import os
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe

import pytest

from nascence import spawned
from nascence.spawned import deaf, undisturbed

SOURCE = os.path.dirname(os.path.dirname(spawned.__file__))


@pytest.mark.parametrize("sent", ["nothing", "half"])
def test_a_driver_that_ends_meanwhile_leaves_a_worker_without_a_word(sent):
    ours, theirs = Pipe()
    command = [sys.executable, "-c", spawned.BEGIN, str(theirs.fileno()), SOURCE, *sys.path]
    worker = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    theirs.close()
    if sent == "half":
        ours.send_bytes(b"the first of two messages")
    ours.close()
    told, _ = worker.communicate(timeout=60)
    assert told == b""


def test_it_is_deaf_to_ctrl_c_from_its_first_moment(monkeypatch):
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append("handler"))
    try:
        with undisturbed():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            assert heard == [], "it waits"
        assert heard == ["handler"]
        with undisturbed():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            deaf()
        assert heard == ["handler"], "what waited is dropped"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_module_path_and_no_secret_are_handed_over():
    found = spawned._preparation()
    assert "authkey" not in found
    assert "" not in found["sys_path"]
