"""How long the steps of a search take: ``python -m nascence.api.step_clock < config.json`` says how long.

A process of its own, so that a step that takes too long can be ended, with whatever it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any

from nascence.errors import NascenceError, SettingError
from nascence.watching import end_with


def time_steps(config: Mapping[str, Any], seconds: float) -> tuple[int, float | None, list[float]]:
    """(the number of steps of the search that ``config`` describes, the seconds that its strategy expects them to take,
    the seconds of each of its first ones): as many as end within ``seconds``, of which starting the process is a part.

    Where the strategy knows what to expect, no step is done. Raises :class:`SettingError`, with the sentence of the
    search, when it cannot begin or fails.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", "nascence.api.step_clock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = Timer(seconds, end)
    timer.start()
    try:
        out, err = process.communicate(json.dumps(config))
    finally:
        timer.cancel()
        end()
    lines = [json.loads(line) for line in out.splitlines() if line.endswith(("]", "}")) or line[:1].isdigit()]
    told = next((line["error"] for line in lines if isinstance(line, dict)), None)
    if told is not None:
        raise SettingError(told)
    if process.returncode not in (0, -signal.SIGKILL):
        words = err.strip().splitlines()
        raise SettingError(
            f"the search ended by itself ({words[-1].partition(': ')[2] if words else 'without a word'})"
        )
    if not lines:
        return 0, None, []
    steps, expected = lines[0]
    return steps, expected, [float(line) for line in lines[1:]]


def main() -> None:
    """Do the steps of the search on stdin, and print their number, then the seconds of each; a mistake of the user's as
    the sentence that the search would end in."""
    from nascence.api.inputs import load_source
    from nascence.api.searching import PreparedSearch
    from nascence.engine.threads import compute_threads
    from nascence.spaces.own.known import keep_known

    end_with(sys.stdout.fileno(), lambda: os.killpg(0, signal.SIGKILL))  # nobody waits for the answer any more
    config = json.load(sys.stdin)
    try:
        if "network_folder" in config:
            keep_known(Path(config["network_folder"]))
        with compute_threads(config["threads"]):
            strategy = PreparedSearch(config, load_source(config)).strategy
            expected = strategy.expected_seconds()
            print(json.dumps([strategy.total_steps, expected]), flush=True)
            while expected is None and not strategy.done:
                began = time.monotonic()
                strategy.advance()
                print(time.monotonic() - began, flush=True)
    except NascenceError as error:
        print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
