import builtins
import socket

import pytest

from nascence.errors import MissingExtraError, RunError, SettingError
from nascence.runs.ray_workers import RayActors, check_reachable


def test_without_ray_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *arguments, **options):
        if name == "ray":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(MissingExtraError, match=r"nascence\[ray\]"):
        RayActors(2)


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
    monkeypatch.setattr("nascence.runs.ray_workers.JOIN_SECONDS", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(RunError, match="does not answer as Ray"):
            check_reachable(f"127.0.0.1:{server.getsockname()[1]}")
