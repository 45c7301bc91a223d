"""Kills every command, again and again, and holds what it ends in against an undisturbed one, bit for bit.

    python benchmarks/kills.py [--kills 25] [--commands search,train,...] [--seed 0] [--json FILE]

Each of the kills of a command is one of five kinds in turn: the process (SIGKILL), its whole group, one of its worker
processes, the process in the moment in which a file is being written, and a full disk instead of a kill (a file system
of a few hundred kilobytes, where the machine lets an ordinary user mount one). Moments and sizes are random. After it
the command that continues is typed, until it ends with 0. Counted are results that differ, commands that do not
continue, processes that stay for longer than half a minute, files that stay beside the results or in the folder for
temporary files, and tracebacks. What takes time (seconds, rates, dates) is not compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

PROGRAM = [sys.executable, "-m", "nascence"]
SIZE = "--channels 2 --depth 1"
KINDS = ("process", "group", "worker", "writing", "full disk")
TIMES = {"search_seconds", "seconds", "images_per_second", "created", "training_seconds", "summaries", "values"}
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
SCORE = "score --scores naswot,params --sample 40 --workers 2 --out s.parquet"
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
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    told: dict[str, Any] = {}
    for name in given.commands.split(","):
        found = kill_often(name, COMMANDS[name], given.kills, random.Random(f"{given.seed} {name}"))
        told[name] = vars(found)
        print(f"{name}: {found.kills} kills {dict(found.kinds)}, {found.early} ended before:", end=" ")
        print(f"{len(found.problems)} problems")
        for problem in found.problems:
            print(f"  {problem}")
        sys.stdout.flush()
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if any(each["problems"] for each in told.values()) else 0


def kill_often(name: str, command: Command, count: int, random_: random.Random) -> Found:
    found = Found()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        root = Path(folder)
        prepared = root / "prepared"
        prepared.mkdir()
        for line in command.before:
            expect(line, prepared, root)
        whole = root / "whole"
        shutil.copytree(prepared, whole)
        began = time.monotonic()
        expect(command.line, whole, root)
        seconds = time.monotonic() - began
        expected = digest(whole, command.results)
        for at in range(count):
            kind = KINDS[at % len(KINDS)]
            place = root / str(at)
            shutil.copytree(prepared, place)
            token = f"{os.getpid()}-{name.replace(' ', '')}-{at}"
            if kind == "full disk":
                ended = on_a_full_disk(command, place, root, random_)
            else:
                ended = kill_once(command, place, root, kind, seconds, token, random_)
            if ended is None:
                found.early += 1
            else:
                found.kills += 1
                found.kinds[kind] += 1
                if "Traceback" in ended:
                    found.problems.append(f"{at}, {kind}: traceback: {ended[-300:]!r}")
            found.problems += [f"{at}, {kind}: {problem}" for problem in finish(command, place, root, expected, token)]
            shutil.rmtree(place)
    return found


def environment(root: Path, token: str = "") -> dict[str, str]:
    temporary = root / "temporary"
    temporary.mkdir(exist_ok=True)
    source = str(Path(__file__).parents[1] / "src")
    own = {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary), "NASCENCE_KILLS": token}
    return {**os.environ, **own, "XDG_CACHE_HOME": str(root / "cache"), "NASCENCE_DATA": str(root / "data")}


def expect(line: str, place: Path, root: Path) -> None:
    done = run(line, place, root)
    if done.returncode != 0:
        raise SystemExit(f"nascence {line}: exit code {done.returncode}: {done.stderr[-500:]}")


def run(line: str, place: Path, root: Path, token: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *line.split()],
        cwd=place,
        env=environment(root, token),
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )


def kill_once(
    command: Command, place: Path, root: Path, kind: str, seconds: float, token: str, random_: random.Random
) -> str | None:
    """What it said until it was killed; None when it had ended before."""
    with subprocess.Popen(
        [*PROGRAM, *command.line.split()],
        cwd=place,
        env=environment(root, token),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + random_.uniform(0.2, 1.0) * seconds
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        while kind == "writing" and process.poll() is None and not list(place.rglob(".*.tmp*")):
            time.sleep(0.0005)
        while kind == "worker" and process.poll() is None and not (workers := below(process.pid)):
            time.sleep(0.01)
            if time.monotonic() > until + seconds / 2:
                kind = "process"  # it has none
        if process.poll() is not None:
            process.communicate()
            return None
        if kind == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif kind == "worker":
            os.kill(random_.choice(workers), signal.SIGKILL)
        else:
            process.kill()
        _, told = process.communicate(timeout=LONGEST)
        return told


def on_a_full_disk(command: Command, place: Path, root: Path, random_: random.Random) -> str | None:
    """Run on a small file system, whose files are copied back; None where there is none to be had or it sufficed."""
    disk = root / "disk"
    disk.mkdir(exist_ok=True)
    used = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) // 1024
    size = used + 16 + random_.randrange(8, 400)
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
        return f"Traceback? exit code {done.returncode}: {done.stderr}"
    return done.stderr


def finish(command: Command, place: Path, root: Path, expected: dict[str, str], token: str) -> Iterator[str]:
    """Continue to the end; yields what is not as it should be."""
    until = time.monotonic() + PATIENCE
    while (left := marked(token)) and time.monotonic() < until:
        time.sleep(0.05)
    if left:
        yield f"{len(left)} processes stayed for {PATIENCE:g} s"
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    temporary = [path.name for path in (root / "temporary").iterdir()]
    if temporary:
        yield f"among the temporary files: {temporary}"
        shutil.rmtree(root / "temporary")
    for _ in range(3):
        line = next(line for needed, line in command.after if not needed or (place / needed).exists())
        done = run(line, place, root)
        if done.returncode == 0 and line == next(
            own for needed, own in command.after if not needed or (place / needed).exists()
        ):
            break
    if done.returncode != 0:
        yield f"'{line}' ends with {done.returncode}: {done.stderr[-300:]!r}"
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

        return parquet.read_table(path).to_pydict()
    return path.read_bytes()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list | tuple):
        return [without_times(item) for item in value]
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()]
    return value


def marked(token: str) -> list[int]:
    """Living processes that a command with this token started, or is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and token:
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if alive and f"NASCENCE_KILLS={token}\0".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def below(pid: int) -> list[int]:
    """The processes that ``pid`` started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
