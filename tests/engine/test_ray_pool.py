import builtins
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import nascence
from nascence.benchmarks.scores_file import read_scores
from nascence.engine.ray_pool import RayActors, check_reachable
from nascence.errors import MissingExtraError, RunError, SettingError
from nascence.scores import SCORES, evaluate
from nascence.spaces import get_space
from nascence.tasks import load_task


def test_without_ray_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *arguments, **options):
        if name == "ray":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(MissingExtraError, match=r"pip install 'ray.*\.\[ray\]"):
        RayActors(2)


class HeadlessRay:
    """What Ray looks like to us when its head has died: nothing ever finishes, and nothing listens at its address."""

    def __init__(self, address):
        error = type("RayError", (Exception,), {})
        names = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "RayTaskError", "RaySystemError")
        self.exceptions = SimpleNamespace(**{name: type(name, (error,), {}) for name in names})
        self.address, self.ended = address, threading.Event()

    def remote(self, **options):
        call = SimpleNamespace(remote=lambda *arguments: object())
        return lambda cls: SimpleNamespace(remote=lambda shared: Hashed(ready=call, work=call))

    def put(self, value):
        return value

    def wait(self, calls, timeout):
        return [], calls

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address=self.address)

    def shutdown(self):
        self.ended.set()


class Hashed(SimpleNamespace):
    __hash__ = object.__hash__


def test_when_the_head_dies_one_sentence_says_how_to_go_on(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ray = HeadlessRay(f"127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setattr(RayActors, "_connect", lambda self: ray)
        with pytest.raises(RunError, match=r"The head of the Ray cluster at this machine is gone .*--resume") as caught:
            list(RayActors(2).map(lambda: abs, [1, 2, 3]))
    assert "\n" not in str(caught.value)
    assert ray.ended.wait(30)


def test_zero_workers():
    with pytest.raises(SettingError, match="at least 1"):
        RayActors(0)


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1", "ray://x:y"])
def test_what_is_no_address(address):
    with pytest.raises(RunError, match="HOST:PORT"):
        check_reachable(address)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nothing_listens(form):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: refused at once
        address = form.format(taken.getsockname()[1])
        with pytest.raises(RunError, match="No Ray cluster can be reached") as caught:
            check_reachable(address)
    assert address in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_something_else_listens(monkeypatch):
    monkeypatch.setattr("nascence.engine.ray_pool.JOIN_SECONDS", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(RunError, match="does not answer as Ray"):
            check_reachable(f"127.0.0.1:{server.getsockname()[1]}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a running cluster of one CPU, ended with all its processes."""
    pytest.importorskip("ray", reason="Ray is an optional extra")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}", "--num-cpus=1",
        "--node-ip-address=127.0.0.1", "--include-dashboard=false",
        "--disable-usage-stats", f"--temp-dir={tempfile.mkdtemp(dir='/tmp')}", "--object-store-memory=100000000",
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("ray") / "log"
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with log.open("w") as out:
        head = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    try:
        while "Ray runtime started" not in log.read_text():
            assert head.poll() is None, log.read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()  # it ends what it started
        head.wait(60)


@pytest.mark.slow
def test_a_running_cluster_with_fewer_processors_than_workers(cluster, tmp_path):
    command = [
        sys.executable, "-m", "nascence", "score", "--scores", "ntk-trace,params", "--sample", "5", "--workers", "3",
        "--executor", "ray", "--ray-address", cluster, "--out", "scores.parquet", "--json",
    ]  # fmt: skip
    source = str(Path(nascence.__file__).parents[1])
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 5
    found, space, task = read_scores(tmp_path / "scores.parquet"), get_space("nas-bench-201"), load_task("digits")
    for at, text in enumerate(found.architectures):
        cell = space.canonical(space.parse(text))
        (expected,) = evaluate([SCORES.get("ntk-trace")()], space, cell, task)["ntk-trace"]
        assert found.columns["ntk-trace"][at] == pytest.approx(expected, rel=1e-4)


PROBE = "import sys, time; sys.stderr.write({!r} + chr(10)); sys.stderr.flush(); time.sleep({}); sys.exit({})"


@pytest.mark.parametrize(
    ("words", "seconds", "code", "message"),
    [
        ("RPC error: InvalidAuthToken: Authentication token is missing or incorrect", 600, 0, "RAY_AUTH_MODE=token"),
        ("ConnectionError: Failed to connect", 0, 1, "does not answer as Ray"),
        ("ValueError: Ray Client requires pip package `ray[client]`.", 0, 1, "pip install"),
        ("silence", 600, 0, "does not answer as Ray"),
        ("Connected to Ray cluster.", 0, 0, None),
    ],
)
def test_what_the_probe_says(monkeypatch, words, seconds, code, message):
    patience = 1.5 if words == "silence" else 250.0  # whoever has something to say has the time to say it
    monkeypatch.setattr("nascence.engine.ray_pool.JOIN_SECONDS", patience)
    real, seen = subprocess.Popen, []

    def popen(command, **options):
        seen.append(command[-1])
        return real([sys.executable, "-S", "-c", PROBE.format(words, seconds, code)], **options)

    monkeypatch.setattr("nascence.engine.ray_pool.subprocess.Popen", popen)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if message is None:
            check_reachable(address)
        else:
            with pytest.raises(RunError, match=message) as caught:
                check_reachable(address)
            assert address in str(caught.value)
            assert "\n" not in str(caught.value)
    assert seen == [address]
