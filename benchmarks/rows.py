"""What scripts share that measure over seeds: their options, and lines of JSON that are not measured again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def measuring(about: str | None, *, seeds: int) -> argparse.ArgumentParser:
    """The options ``--out``, ``--seeds`` (so many, if nothing is said) and ``--first-seed``; see :func:`seeds_of`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="lines of JSON; what is there already is left out")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--first-seed", type=int, default=0)
    return parser


def seeds_of(given: argparse.Namespace) -> range:
    return range(given.first_seed, given.first_seed + given.seeds)


class Rows:
    """Lines of JSON in a file, so that what is measured already is left out the next time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def has(self, **known: Any) -> bool:
        return any(all(row.get(name) == value for name, value in known.items()) for row in self.rows)

    def add(self, **row: Any) -> None:
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


__all__ = ["Rows", "measuring", "seeds_of"]
