"""Runs a command of Nascence in a fork of this process, which has imported everything once: a tenth of the time of a
process of its own. For :mod:`command_lines` and :mod:`stops`."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import mmap
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL = 0.005
PATIENCE = 60.0
"""Seconds for the end after SIGINT."""


@dataclass(frozen=True)
class Ended:
    """``code``: that of the process, negative for a signal; ``stopped``: by SIGINT, after its time; ``hung``: it did
    not mind that; ``left``: processes of its group that outlived it."""

    code: int
    out: str
    err: str
    seconds: float
    stopped: bool = False
    hung: bool = False
    left: bool = False


def import_everything() -> None:
    """All of Nascence but what it imports where it is used."""
    import nascence

    for module in pkgutil.walk_packages(nascence.__path__, "nascence."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """As :class:`tempfile.TemporaryDirectory`, which a fork that ends would remove."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def call(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    before: Callable[[], object] | None = None,
    memory: int | None = None,
    during: Callable[[int], bool] | None = None,
    patience: float = 5.0,
) -> Ended:
    """``nascence ARGUMENTS`` in ``folder``, stopped by SIGINT after ``seconds``. ``before`` is called in the process
    first; ``memory``: bytes of address space that it may have; ``during`` is called with the process again and again
    until it says that it is done; ``patience``: seconds in which other processes of the group have to end."""
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _child(arguments, folder, environment, out.fileno(), err.fileno(), before, memory)
        code = _wait(pid, seconds, during)
        stopped = hung = False
        if code is None:
            os.kill(pid, signal.SIGINT)
            stopped, code = True, _wait(pid, PATIENCE)
        if code is None:
            hung = True
            os.killpg(pid, signal.SIGKILL)
            code = _wait(pid, PATIENCE)
        took = time.monotonic() - began
        left = _group_lives(pid, patience)
        if left:
            os.killpg(pid, signal.SIGKILL)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode(errors="backslashreplace"))
        return Ended(-signal.SIGKILL if code is None else code, told[0], told[1], took, stopped, hung, left)


def _child(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    out: int,
    err: int,
    before: Callable[[], object] | None,
    memory: int | None,
) -> None:
    code = 99  # something is wrong here
    try:
        os.setsid()
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever this process was started with
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        os.environ.update(environment)
        tempfile.tempdir = None
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if before is not None:
            before()
        from nascence.cli import main

        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 (what would be a traceback)
            import traceback

            traceback.print_exc()
            code = 1
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the program does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001 (nothing may go on in a copy of the caller)
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)


def _wait(pid: int, seconds: float, during: Callable[[int], bool] | None = None) -> int | None:
    """The exit code once the process has ended; None when it has not after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if during is not None and during(pid):
            during = None
        time.sleep(POLL if during is None else POLL / 10)
    return None


def _group_lives(pid: int, patience: float) -> bool:
    """Whether a process of the group lives on for so many seconds."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            os.killpg(pid, 0)
        except OSError:
            return False
        time.sleep(0.05)
    return True


def end_at(number: int | None, folder: Path, counted: mmap.mmap) -> None:
    """Let this process be killed right before the ``number``-th call that changes a file or a folder below ``folder``;
    ``counted`` gets how many there were, eight bytes."""
    own, seen = os.getpid(), 0

    def count() -> None:
        nonlocal seen
        if os.getpid() != own:  # a worker
            return
        seen += 1
        counted[:8] = seen.to_bytes(8, "little")
        if seen == number:
            os.kill(own, signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and _below(path, folder):
                count()
        elif event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"):
            if _below(arguments[0], folder):
                count()
        elif event == "ctypes.dlsym" and arguments[1] == "renameat2":
            count()

    def sync(fd: Any) -> None:
        count()
        plain_sync(fd)

    plain_sync, os.fsync = os.fsync, sync
    sys.addaudithook(hook)


def _below(path: object, folder: Path) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return isinstance(path, int)
    name = os.fsdecode(path)
    return not os.path.isabs(name) or os.path.commonpath([name, folder]) == str(folder)


__all__ = ["Ended", "call", "end_at", "import_everything", "temporary_folder"]
