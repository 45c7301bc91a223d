"""Class folders of very many pictures: seconds and peak memory of a search's start, the first time and again.

    python benchmarks/large_data.py [--images 100000] [--size 64] [--limit 4] [--folder DIR] [--train]

Writes the pictures (noise, so that nothing compresses) into DIR unless they are there, then runs ``nascence search
--method random`` in a process that may map ``--limit`` GB of memory in all: once with an empty cache folder, once more
as it is then used, and once after a kill in the middle. With ``--train`` the network of the last search is trained for
an epoch within the same memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=100_000)
    options.add_argument("--size", type=int, default=64)
    options.add_argument("--limit", type=float, default=4.0, help="GB of address space")
    options.add_argument("--folder", type=Path, default=None)
    options.add_argument("--train", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch) / "pictures"
        write(folder, chosen.images, chosen.size)
        cache = Path(scratch) / "cache"
        for what in ("an empty cache", "a full cache"):
            seconds, peak = search(folder, cache, Path(scratch) / "run", chosen.limit)
            print(f"{what}: {seconds:.1f} s, peak resident memory {peak / 1e9:.2f} GB", flush=True)
        shutil.rmtree(cache)
        kill(folder, cache, Path(scratch) / "run", chosen.limit, seconds_until=8)
        seconds, peak = search(folder, cache, Path(scratch) / "run", chosen.limit)
        print(f"continued after a kill: {seconds:.1f} s, peak resident memory {peak / 1e9:.2f} GB", flush=True)
        if chosen.train:
            training = ["train", str(Path(scratch) / "run"), "--epochs", "1", "--threads", "1"]
            seconds, peak = finish(start(training, cache, chosen.limit))
            print(f"an epoch of training: {seconds:.1f} s, peak resident memory {peak / 1e9:.2f} GB", flush=True)


def write(folder: Path, count: int, size: int) -> None:
    """Ten classes of noise around ten colours."""
    random = np.random.default_rng(0)
    for name in range(10):
        (folder / f"class {name}").mkdir(parents=True, exist_ok=True)
    for at in range(count):
        file = folder / f"class {at % 10}" / f"{at:06}.png"
        if not file.exists():
            pixels = random.integers(0, 128, (size, size, 3)) + 12 * (at % 10)
            Image.fromarray(pixels.astype(np.uint8)).save(file, compress_level=1)


def searching(folder: Path, out: Path) -> list[str]:
    arguments = ["search", "--method", "random", "--channels", "4", "--depth", "1", "--threads", "1"]
    return [*arguments, "--data", str(folder), "--out", str(out), "--overwrite"]


def start(arguments: list[str], cache: Path, limit: float) -> subprocess.Popen[bytes]:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(limit * 1e9),) * 2)

    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "nascence", *arguments]
    return subprocess.Popen(command, env=environment, preexec_fn=limited)


def search(folder: Path, cache: Path, out: Path, limit: float) -> tuple[float, float]:
    return finish(start(searching(folder, out), cache, limit))


def finish(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Seconds, and bytes of the largest resident set of the process."""
    began = time.monotonic()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"nascence ended with status {os.waitstatus_to_exitcode(status)}.")
    return time.monotonic() - began, usage.ru_maxrss * 1024


def kill(folder: Path, cache: Path, out: Path, limit: float, seconds_until: float) -> None:
    process = start(searching(folder, out), cache, limit)
    time.sleep(seconds_until)
    process.send_signal(signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    main()
