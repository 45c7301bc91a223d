"""Types random command lines, sensible, wrong and hostile ones, and counts what must not be: an exit code 1, a
traceback, a terminal's escape code, a command that cannot be stopped, a process that stays, a file outside.

    python benchmarks/command_lines.py [--lines 1000] [--seed 0] [--first 0] [--seconds 60] [--json FILE]
    python benchmarks/command_lines.py --numbers --seconds 5

``--numbers`` types absurd numbers instead, one after the other: every option of every command that takes a value, and
every setting, of the first method that has it, in a line that is sensible but for it.

Every line follows from the seed and its number alone (``--first N --lines 1`` tries one again). Each runs in a folder
of its own with a run, data of several kinds, pipes that nobody writes into, links and damaged files. A line that is
real work is stopped by Ctrl-C after some seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from forked import Ended, call, import_everything, temporary_folder
from PIL import Image
from pyarrow import parquet

MEMORY = 12 * 2**30
NUMBERS = ("0", "1", "2", "3", "8", "-1", "0.5", "1e-3", "300k", "0.3M", "2GB")
ODD = (
    *("", " ", "-", "--", ",", "a,,b", "=", "name=value", "[red]", "{}", "null", "[" * 3000, "x" * 300, "\x1b[31mred"),
    *("nan", "inf", "-inf", "1e308", "1e400", "2147483648", "-9223372036854775809", "18446744073709551616", "0x10"),
    *("\udcff\udcfe", "naïve", "🐶", "a\nb", "$(id)", "; ls", "%s", "..", ".", "~", "True", "NONE", "1_0", "٣"),
)
PATHS = (
    *("run", "run/config.json", "run/architecture.json", "trained", "pictures", "pictures/cat", "pictures/cat/0.png"),
    *("table.parquet", "scores.parquet", "arrays.npz", "graph.npz", "pairs", "empty", "nothing here", "pipe", "loop"),
    *("nowhere", "deep.json", "text.txt", "binary", "weights.csv", "closed", "x" * 300, "a/" * 200 + "b", "damaged"),
)
NEW = ("new", "new/er", "new.parquet", "new.csv", "new.json", "new.html", "run", "empty", "text.txt", "nowhere", "pipe")
DATA = ("digits", "./pictures", "./arrays.npz", "./graph.npz", "./pairs", "./table.parquet", "cifar10", "./run")
VALUES = {
    "data": DATA,
    "out": NEW,
    "task": ("classify", "denoise", "super-resolve", "nodes"),
    "preset": ("laptop", "paper", "quick", "none"),
    "runtime": ("onnx", "torch", "tensorrt"),
    "executor": ("processes", "ray", "threads"),
    "format": ("onnx", "python", "torchscript"),
    "attacks": ("fgsm", "pgd", "fgsm,pgd", "apgd,apgd"),
    "eps": ("8/255", "0", "1/0", "2", "0.1,0.2"),
    "objectives": ("naswot,params", "params,flops", "params", "latency,params", "val-error,params"),
    "latency_table": PATHS,
    "policy": ("random", "none", *PATHS),
    "class_weights": ("balanced", *PATHS),
    "columns": ("accuracy", "a,b"),
    "column": ("accuracy", "value", "architecture"),
    "table": ("nas-bench-201", "scores.parquet", *PATHS),
    "networks": ("2", "0", "1000000000"),
    "file": PATHS,
    "data_dir": PATHS,
    "pick": ("knee", "0", "99", "all"),
    "adversarial": ("fgsm", "pgd:8/255", "none"),
    "ray_address": ("nobody:1", "auto"),
}
SMALL = {"channels": "2", "depth": "1", "epochs": "1", "repeats": "2", "image_size": "8", "resamples": "20"}
"""What a line has unless it says something else, so that it is no long work."""


ABSURD = ("-1", "0", "nan", "inf", "-1e308", "1e-320", "2147483648", "18446744073709551616", "9" * 400, "0x10", "")
ABSURD_SETTINGS = ("-1", "0", "nan", "1e308", "18446744073709551616")
SENSIBLE = {
    "search": "--method random --channels 2 --depth 1 --out new",
    "train": "run --epochs 1",
    "export": "trained --format python",
    "report": "trained",
    "score": "--scores naswot --sample 3 --out new.parquet",
    "correlate": "scores.parquet --table scores.parquet --column params --resamples 20",
    "compare": "--methods random --seeds 1 --epochs 1 --channels 2 --depth 1 --out new",
    "measure": "trained --repeats 2 --warm-up 1",
    "plan": "--channels 2 --depth 1 --no-measure --max-params 1e6",
    "predict": "trained pictures/cat/0.png --out new.csv",
    "attack": "trained --attacks fgsm --images 4",
    "runs show": "trained",
    "runs list": ".",
    "runs resume": "run",
    "runs delete": "trained --yes",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, help="how many [default: 1000; of --numbers all]")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--numbers", action="store_true", help="absurd numbers in the place of every value")
    given = parser.parse_args()
    import_everything()
    commands = all_commands()
    lines = list(absurd_lines(commands)) if given.numbers else None
    if given.lines is None:
        given.lines = 1000 if lines is None else len(lines) - given.first
    codes: Counter[str] = Counter()
    problems: list[dict[str, Any]] = []
    with temporary_folder("lines-") as root:
        environment = {"TMPDIR": str(root / "temporary"), "XDG_CACHE_HOME": str(root / "cache"), "COLUMNS": "80"}
        environment |= {"NASCENCE_DATA": str(root / "data"), "HOME": str(root / "home"), "NASCENCE_DEBUG": ""}
        for name in ("temporary", "home", "data"):
            (root / name).mkdir()
        prepare(root / "prepared", environment)
        for words, rest in SENSIBLE.items() if given.numbers else ():
            shutil.copytree(root / "prepared", root / "place", symlinks=True, ignore=_pipes)
            ended = call([*words.split(), *rest.split()], root / "place", environment, given.seconds, memory=MEMORY)
            if ended.code == 2:  # whatever stood beside it would be refused
                raise SystemExit(f"The line meant as sensible is refused: {words} {rest}: {ended.err}")
            shutil.rmtree(root / "place")
        for number in range(given.first, given.first + given.lines):
            line = lines[number] if lines else random_line(commands, random.Random(f"{given.seed} {number}"))
            place = root / "place"
            shutil.copytree(root / "prepared", place, symlinks=True, ignore=_pipes)
            os.mkfifo(place / "pipe")
            before = outside(root)
            ended = call(line, place, environment, given.seconds, memory=MEMORY)
            codes["stopped" if ended.stopped and ended.code == 130 else str(ended.code)] += 1
            for told in wrong(ended, before, outside(root)):
                problems.append({"number": number, "line": line, "problem": told, "err": ended.err[-600:]})
                print(f"{number}: {told}: {line}\n    {ended.err[-600:]!r}", flush=True)
            shutil.rmtree(place)
            if (number + 1) % 100 == 0:
                print(f"{number + 1} lines, {len(problems)} problems", file=sys.stderr, flush=True)
            for left in (root / "temporary").iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    chosen = "absurd numbers" if given.numbers else f"seed {given.seed}"
    print(f"{given.lines} lines of {chosen}: exit codes {dict(codes)}, {len(problems)} problems")
    if given.json:
        given.json.write_text(json.dumps({"codes": codes, "problems": problems}, indent=2) + "\n")
    return 1 if problems else 0


def wrong(ended: Ended, before: set[str], after: set[str]) -> list[str]:
    told = []
    if ended.hung:
        told.append("could not be stopped")
    elif ended.code not in (0, 2) and not (ended.stopped and ended.code == 130):
        told.append(f"exit code {ended.code}")
    if "Traceback" in ended.err or ("Error:" in ended.err.split("see: nascence")[0] and ended.code == 1):
        told.append("traceback")
    if "\x1b" in ended.err + ended.out:
        told.append("an escape code")
    if ended.code == 2 and not ended.err.strip():
        told.append("nothing was said")
    if ended.left:
        told.append("a process stayed")
    if before != after:
        told.append(f"outside of its folder: {sorted(before ^ after)[:3]}")
    return told


def outside(root: Path) -> set[str]:
    """Everything that no command here should make, change or leave."""
    watched = (root / "temporary", root / "home", root / "data", root / "elsewhere")
    return {str(path.relative_to(root)) for folder in watched for path in (folder, *folder.rglob("*")) if path.exists()}


def _pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def all_commands() -> dict[tuple[str, ...], list[Any]]:
    """The parameters of every command."""
    import typer

    from nascence.cli.app import app

    found: dict[tuple[str, ...], list[Any]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        if hasattr(command, "commands"):
            for name, below in command.commands.items():
                walk(below, (*words, name))
        else:
            found[words] = list(command.params)

    walk(typer.main.get_command(app), ())
    return found


def absurd_lines(commands: dict[tuple[str, ...], list[Any]]) -> Iterator[list[str]]:
    """Sensible lines with an absurd number in one place."""
    from nascence.configuration import describe
    from nascence.methods import METHODS

    for words in sorted(commands):
        line = [*words, *SENSIBLE.get(" ".join(words), "").split()]
        for option in commands[words]:
            if option.param_type_name == "option" and not option.is_flag and option.name != "settings":
                yield from ([*line, option.opts[0], value] for value in ABSURD)
    seen: set[str] = set()
    for method in METHODS.names():
        line = ["search", "--method", method, "--channels", "2", "--depth", "1", "--out", "new"]
        for name in [entry["name"] for entry in describe(METHODS.get(method)) if entry["name"] not in seen]:
            seen.add(name)
            yield from ([*line, "--set", f"{name}={value}"] for value in ABSURD_SETTINGS)


def random_line(commands: dict[tuple[str, ...], list[Any]], choose: random.Random) -> list[str]:
    """A command with arguments and up to five options; four of five values are sensible ones."""
    words = choose.choice(sorted(commands))
    options = [each for each in commands[words] if each.param_type_name == "option" and each.name != "download"]
    arguments = [each for each in commands[words] if each.param_type_name == "argument"]
    line = list(words)
    for argument in arguments:
        for _ in range(choose.choice((0, 1, 1, 1, 1, 2 if argument.nargs == -1 else 1))):
            line.append(value_of(argument.name, choose))
    chosen = choose.sample(options, min(len(options), choose.randrange(6)))
    method = None
    for option in chosen:
        if option.is_flag:
            line.append(choose.choice([*option.opts, *option.secondary_opts]))
        else:
            value = value_of(option.name, choose, method)
            method = value if option.name == "method" else method
            line += [option.opts[0], value]
    for option in options:
        if option.name in SMALL and option not in chosen:
            line += [option.opts[0], SMALL[option.name]]
    if choose.random() < 0.02:
        line.insert(choose.randrange(len(line) + 1), choose.choice(ODD))
    return [word.replace("\0", "") for word in line]


def value_of(name: str, choose: random.Random, method: str | None = None) -> str:
    from nascence.methods import METHODS
    from nascence.scores import SCORES
    from nascence.spaces import SPACES

    pick = choose.random()
    if pick < 0.1:
        return choose.choice(ODD)
    if pick < 0.2:
        return choose.choice((*NUMBERS, *PATHS))
    if name in ("method", "methods"):
        return choose.choice(METHODS.names())
    if name == "space":
        return choose.choice(SPACES.names())
    if name == "scores" and pick < 0.8:
        return ",".join(choose.sample(SCORES.names(), choose.randrange(1, 3)))
    if name in ("settings", "task_settings"):
        return f"{a_setting(method, choose)}={choose.choice((*NUMBERS, *ODD))}"
    if name in ("architectures", "target", "run", "root", "paths", "scores"):
        return choose.choice(PATHS) if pick < 0.6 else choose.choice(("run", "trained"))
    return choose.choice(VALUES.get(name, NUMBERS))


def a_setting(method: str | None, choose: random.Random) -> str:
    from nascence.configuration import describe
    from nascence.methods import METHODS

    if method not in METHODS.names():
        method = choose.choice(METHODS.names())
    names = [entry["name"] for entry in describe(METHODS.get(method))]
    return choose.choice([*names, "sigma", "test", "learning_rate", "no_such"])


def prepare(place: Path, environment: dict[str, str]) -> None:
    """The folder in which every line is typed."""
    place.mkdir()
    numbers = np.random.default_rng(0)
    for name, base in (("cat", 0), ("dog", 100)):
        (place / "pictures" / name).mkdir(parents=True)
        for at in range(12):
            pixels = numbers.integers(base, base + 120, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "pictures" / name / f"{at}.png")
    (place / "pairs").mkdir()
    for at in range(4):
        pixels = numbers.integers(0, 255, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "pairs" / f"{at}.png")
    np.savez(
        place / "arrays.npz", images=numbers.integers(0, 255, (20, 8, 8), dtype=np.uint8), labels=np.arange(20) % 2
    )
    edges = numbers.integers(0, 30, (60, 2))
    np.savez(place / "graph.npz", features=numbers.random((30, 4), np.float32), labels=np.arange(30) % 3, edges=edges)
    images = [{"bytes": (place / "pictures" / "cat" / f"{at}.png").read_bytes(), "path": None} for at in range(12)]
    parquet.write_table(pa.table({"image": images, "label": [at % 2 for at in range(12)]}), place / "table.parquet")
    (place / "empty").mkdir()
    (place / "text.txt").write_text("not ours\n")
    (place / "weights.csv").write_text("cat,2\ndog,1\n")
    (place / "deep.json").write_text("[" * 100_000)
    (place / "binary").write_bytes(numbers.integers(0, 256, 2000, dtype=np.uint8).tobytes())
    (place / "loop").symlink_to("loop")
    (place / "nowhere").symlink_to("../elsewhere")
    lines = (
        "search --method random --channels 2 --depth 1 --out run",
        "train run --epochs 1",
        "score --scores naswot,params --sample 4 --out scores.parquet",
    )
    for line in lines:
        ended = call(line.split(), place, environment, 300)
        if ended.code != 0:
            raise SystemExit(f"nascence {line}: exit code {ended.code}: {ended.out} {ended.err}")
    shutil.copytree(place / "run", place / "trained")
    shutil.copytree(place / "run", place / "damaged")
    content = bytearray((place / "damaged" / "model.pt").read_bytes())
    content[len(content) // 2] ^= 255
    (place / "damaged" / "model.pt").write_bytes(bytes(content))
    (place / "damaged" / "config.json").write_text((place / "run" / "config.json").read_text().replace(":", "", 1))
    for name in ("model.pt", "metrics.json", "training.jsonl", "training.pt"):
        (place / "run" / name).unlink(missing_ok=True)
    (place / "closed").mkdir(mode=0)


if __name__ == "__main__":
    sys.exit(main())
