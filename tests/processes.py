"""Processes of their own that begin at once: forked from a server that has imported the heavy libraries already."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["nascence.api", "nascence.cli.app", "nascence.testing.toy_method"])


class Program:
    """A running ``main(arguments)``; ``output`` (stdout) and ``errors`` (stderr) are files below ``folder``."""

    def __init__(self, script: str | None, arguments: Sequence[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir()))
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        where = (os.getcwd(), dict(os.environ), str(self._out), str(self._err))
        self._process = _CONTEXT.Process(target=_run, args=(script, list(arguments), *where))
        self._process.start()

    @property
    def output(self) -> str:
        return self._out.read_text() if self._out.exists() else ""

    @property
    def errors(self) -> str:
        return self._err.read_text() if self._err.exists() else ""

    def alive(self) -> bool:
        return self._process.is_alive()

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self) -> int:
        """The exit code; minus the signal's number when one killed it."""
        self._process.join()
        code = self._process.exitcode
        assert code is not None, "the process did not end"
        return code


def _run(
    script: str | None, arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for name, stream in ((out, sys.stdout), (err, sys.stderr)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1 if stream is sys.stdout else 2)
    if script is not None:
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")
        return
    from nascence.cli import main
    from nascence.methods import METHODS

    METHODS.register("toy", "nascence.testing.toy_method:ToyMethod")
    sys.exit(main(arguments))
