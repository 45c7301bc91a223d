"""Kills every command, again and again, and holds what it ends in against an undisturbed one, bit for bit.

    python benchmarks/kills.py [--kills 25] [--calls 10] [--commands search,train,...] [--kinds process,...] [--seed 0]
        [--json FILE]

Each of the kills of a command is one of five kinds in turn: the process (SIGKILL), its whole group, one of its worker
processes, the process in the moment in which a file is being written, and a full disk instead of a kill (a file system
of a few hundred kilobytes, where an ordinary user may mount one). Moments and sizes are random. ``--calls``
kills more come right before a chosen call that changes a file or a folder: a file opened for writing, fsync, a rename,
an exchange, unlink, mkdir, rmdir. After each the command that continues is typed, until it ends with 0. Counted are
results that differ, commands that do not continue, processes that stay for longer than half a minute, files that stay
beside the results or in the folder for temporary files, and tracebacks. What takes time (seconds, rates, dates) is not
compared. Commands run in forks of this process, which has imported everything, so that kills fall into their work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from forked import Ended, call, end_at, import_everything, temporary_folder

PROGRAM = [sys.executable, "-m", "nascence"]
SIZE = "--channels 2 --depth 1 --data ../tiny.npz"
"""Beside the folder in which a command runs: few images, so that starting and writing take most of the time."""
KINDS = ("process", "group", "worker", "writing", "full disk")
TIMES = {
    "search_seconds",
    "seconds",
    "images_per_second",
    "created",
    "training_seconds",
    "summaries",
    "values",
    "checksum",
}
PATIENCE = 30.0
LONGEST = 3600.0


@dataclass(frozen=True)
class Command:
    """``line`` is killed; ``before`` prepares the folder; ``after`` continues: the first one that applies, as pairs of
    a file that must be there and a line; ``results``: what is compared."""

    line: str
    after: tuple[tuple[str, str], ...]
    results: tuple[str, ...]
    before: tuple[str, ...] = ()


SEARCH = f"search --method te-nas {SIZE} --set repeats=2 --set region_networks=1 --out a"
TRAIN = "train a --epochs 6"
SCORE = "score --scores naswot,params --sample 40 --workers 2 --data ../tiny.npz --out s.parquet"
COMPARE = f"compare --methods random --seeds 2 --epochs 4 --workers 2 {SIZE} --out c"
COMMANDS = {
    "search": Command(SEARCH, (("a/config.json", "runs resume a"), ("", SEARCH)), ("a",)),
    "search --overwrite": Command(
        f"{SEARCH} --seed 1 --overwrite",
        (("a/config.json", f"{SEARCH} --seed 1 --overwrite"),),
        ("a",),
        (SEARCH,),
    ),
    "train": Command(TRAIN, (("", TRAIN),), ("a",), (SEARCH,)),
    "train --overwrite": Command(
        f"{TRAIN} --overwrite --seed 3",
        (("a/.retraining/config.json", "runs resume a"), ("", f"{TRAIN} --overwrite --seed 3")),
        ("a",),
        (SEARCH, TRAIN),
    ),
    "score": Command(
        SCORE,
        (("s.parquet.part", f"{SCORE} --resume"), ("s.parquet", f"{SCORE} --resume"), ("", SCORE)),
        ("s.parquet",),
    ),
    "compare": Command(COMPARE, (("", COMPARE),), ("c",)),
    "export": Command("export a --format python", (("", "export a --format python"),), ("a",), (SEARCH, TRAIN)),
    "report": Command("report a", (("", "report a"),), ("a",), (SEARCH, TRAIN, "report a")),
}


@dataclass
class Found:
    kills: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    early: int = 0
    """Ended before it could be killed."""
    problems: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    import_everything()
    told: dict[str, Any] = {}
    for name in given.commands.split(","):
        kinds = given.kinds.split(",")
        found = kill_often(COMMANDS[name], kinds, given.kills, given.calls, random.Random(f"{given.seed} {name}"))
        told[name] = vars(found)
        print(f"{name}: {found.kills} kills {dict(found.kinds)}, {found.early} ended before:", end=" ")
        print(f"{len(found.problems)} problems")
        for problem in found.problems:
            print(f"  {problem}")
        sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if any(each["problems"] for each in told.values()) else 0


def kill_often(command: Command, own: list[str], kills: int, calls: int, random_: random.Random) -> Found:
    found = Found()
    with temporary_folder("kills-") as root:
        draw = numpy.random.default_rng(0)
        numpy.savez(
            root / "tiny.npz", images=draw.integers(0, 255, (80, 8, 8), dtype=numpy.uint8), labels=numpy.arange(80) % 2
        )
        prepared = root / "prepared"
        prepared.mkdir()
        for line in command.before:
            expect(line, prepared, root)
        whole, counted = root / "whole", mmap.mmap(-1, 8)
        shutil.copytree(prepared, whole)
        began = time.monotonic()
        sizes: list[int] = []

        def weigh(_: int) -> bool:
            sizes.append(kibibytes(whole))
            return False

        expect(command.line, whole, root, lambda: end_at(None, root, counted), weigh)
        seconds = time.monotonic() - began
        expected = digest(whole, command.results)
        there = int.from_bytes(counted[:8], "little")
        chosen = sorted(random_.sample(range(1, there + 1), min(calls, there)))
        most = max([kibibytes(whole), *sizes])
        kinds = [own[at % len(own)] for at in range(kills)] + [f"call {at} of {there}" for at in chosen]
        for at, kind in enumerate(kinds):
            place = root / str(at)
            shutil.copytree(prepared, place)
            if kind == "full disk":
                ended = on_a_full_disk(command, place, root, random_, most)
            elif kind.startswith("call"):
                number = chosen[at - kills]
                done = run(command.line, place, root, partial(end_at, number, root, mmap.mmap(-1, 8)))
                ended = done if done.code == -signal.SIGKILL else None
            else:
                ended = kill_once(command, place, root, kind, seconds, random_)
            if ended is None:
                found.early += 1
            else:
                found.kills += 1
                found.kinds[kind.split(" ")[0]] += 1
                if "Traceback" in ended.err:
                    found.problems.append(f"{at}, {kind}: traceback: {ended.err[-300:]!r}")
                if ended.left:
                    found.problems.append(f"{at}, {kind}: processes stayed for {PATIENCE:g} s")
            found.problems += [f"{at}, {kind}: {problem}" for problem in finish(command, place, root, expected)]
            print(f"{at + 1} of {len(kinds)}, {len(found.problems)} problems", file=sys.stderr, flush=True)
            shutil.rmtree(place)
    return found


def environment(root: Path) -> dict[str, str]:
    temporary = root / "temporary"
    temporary.mkdir(exist_ok=True)
    source = str(Path(__file__).parents[1] / "src")
    own = {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    return {**os.environ, **own, "XDG_CACHE_HOME": str(root / "cache"), "NASCENCE_DATA": str(root / "data")}


def expect(
    line: str,
    place: Path,
    root: Path,
    before: Callable[[], object] | None = None,
    during: Callable[[int], bool] | None = None,
) -> None:
    done = run(line, place, root, before, during=during)
    if done.code != 0:
        raise SystemExit(f"nascence {line}: exit code {done.code}: {done.err[-500:]}")


def run(line: str, place: Path, root: Path, before: Callable[[], object] | None = None, **options: Any) -> Ended:
    return call(line.split(), place, environment(root), LONGEST, before, patience=PATIENCE, **options)


def kill_once(
    command: Command, place: Path, root: Path, kind: str, seconds: float, random_: random.Random
) -> Ended | None:
    """None when it had ended before; ``seconds`` is what an undisturbed one took."""
    until = time.monotonic() + random_.uniform(0.0, 0.9) * seconds
    late = until + seconds / 2
    killed = False

    def kill(pid: int) -> bool:
        nonlocal killed
        now = time.monotonic()
        if now < until or (kind == "writing" and now < late and not list(place.rglob(".*.tmp*"))):
            return False
        workers = below(pid) if kind == "worker" else []
        if kind == "worker" and not workers and now < late:
            return False
        if kind == "group":
            os.killpg(pid, signal.SIGKILL)
        else:  # without workers, the process
            os.kill(random_.choice(workers) if workers else pid, signal.SIGKILL)
        killed = True
        return True

    ended = run(command.line, place, root, during=kill)
    return ended if killed and ended.code != 0 else None


def kibibytes(place: Path) -> int:
    """What the files take on a file system with pages of four, where folders take none. Some may vanish meanwhile."""
    total = 0
    with suppress(FileNotFoundError):
        for path in place.rglob("*"):
            total += 0 if path.is_dir() else 4 * -(-path.lstat().st_size // 4096)
    return total


def on_a_full_disk(command: Command, place: Path, root: Path, random_: random.Random, most: int) -> Ended | None:
    """Run on a file system that has less than ``most`` kibibytes, what an undisturbed one takes at the most, and whose
    files are copied back; None where there is none to be had or it sufficed."""
    disk = root / "disk"
    disk.mkdir(exist_ok=True)
    size = random_.randrange(kibibytes(place), max(most, kibibytes(place) + 8), 4)
    line = " ".join([*PROGRAM, *command.line.split()])
    script = (
        f"mount -t tmpfs -o size={size}k tmpfs '{disk}' 2>/dev/null || exit 77\n"
        f"cp -a '{place}/.' '{disk}/' || exit 77\ncd '{disk}'\n{line}\ncode=$?\n"
        f"rm -rf '{place}' && cp -a '{disk}' '{place}'\nexit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script], env=environment(root), capture_output=True, text=True, timeout=LONGEST
    )
    if done.returncode in (0, 77):
        return None
    if done.returncode != 2 or "space" not in done.stderr:
        return Ended(done.returncode, "", f"Traceback? exit code {done.returncode}: {done.stderr}", 0.0)
    return Ended(2, "", done.stderr, 0.0)


def finish(command: Command, place: Path, root: Path, expected: dict[str, str]) -> Iterator[str]:
    """Continue to the end; yields what is not as it should be."""
    temporary = [path.name for path in (root / "temporary").iterdir()]
    if temporary:
        yield f"among the temporary files: {temporary}"
        shutil.rmtree(root / "temporary")
    for _ in range(3):
        line = next(line for needed, line in command.after if not needed or (place / needed).exists())
        done = run(line, place, root)
        if done.code == 0 and line == next(
            own for needed, own in command.after if not needed or (place / needed).exists()
        ):
            break
    if done.code != 0:
        yield f"'{line}' ends with {done.code}: {done.err[-300:]!r}"
        return
    found = digest(place, command.results)
    different = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if different:
        yield f"differs in {different[:5]}"
    hidden = [str(path.relative_to(place)) for path in place.rglob(".*") if path.name != ".lock"]
    if hidden:
        yield f"stayed: {hidden[:5]}"


def digest(place: Path, results: tuple[str, ...]) -> dict[str, str]:
    """What every file of the results holds, apart from times."""
    found: dict[str, str] = {}
    for name in results:
        paths = sorted((place / name).rglob("*")) if (place / name).is_dir() else [place / name]
        for path in paths:
            if path.is_file() and not path.name.startswith(".") and path.name not in ("report.html", "comparison.md"):
                found[str(path.relative_to(place))] = hashlib.sha256(repr(content(path)).encode()).hexdigest()
    return found


def content(path: Path) -> Any:
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [without_times(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".pt":
        return without_times(torch.load(path, weights_only=True))
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path, use_threads=False).to_pydict()
    return path.read_bytes()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return [without_times(item) for item in value]
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()]
    return value


def below(pid: int) -> list[int]:
    """The processes that ``pid`` started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
