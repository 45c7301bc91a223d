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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_deaf_to_stops_from_its_first_moment(number):
    heard = []
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(number, lambda number, frame: heard.append(number))
    try:
        with undisturbed():
            signal.pthread_kill(threading.get_ident(), number)
            assert heard == [], "it waits"
        assert heard == [number]
        with undisturbed():
            signal.pthread_kill(threading.get_ident(), number)
            deaf()
        assert heard == [number], "what waited is dropped"
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


def test_a_module_path_and_no_secret_are_handed_over():
    found = spawned._preparation()
    assert "authkey" not in found
    assert "" not in found["sys_path"]
