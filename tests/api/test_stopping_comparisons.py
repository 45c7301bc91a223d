"""However a comparison is ended, its processes end with it, and it continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nascence

COMPARE = """
import sys
from nascence.cli import main
if __name__ == "__main__":
    sys.exit(main(["compare", "--methods", "random", "--seeds", "2", "--workers", "2", "--epochs", "100000",
                   "--channels", "2", "--depth", "1", "--out", sys.argv[1]]))
"""


def descendants(pid: int) -> set[int]:
    """Every living process below ``pid``."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    below = {pid}
    while below:
        below = {child for child, parent in parents.items() if parent in below} - found
        found |= below
    return found


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_stays(tmp_path: Path, number: int) -> None:
    script = tmp_path / "compare.py"
    script.write_text(COMPARE)
    (tmp_path / "temporary").mkdir()
    source = str(Path(nascence.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "temporary")}
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, str(script), str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # however the tests were begun
    ) as process:
        while not list(out.glob("*/seed-*/training.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        started = descendants(process.pid)
        assert len(started) >= 2
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert "Traceback" not in told
    if number != signal.SIGKILL:
        assert "what was finished is kept. Continue with: the same command" in told
    until = time.monotonic() + 60
    while any(alive(pid) for pid in started) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in started)
    assert list((tmp_path / "temporary").iterdir()) == []
