"""Work for workers; a module of its own, so that other processes can import it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from nascence.errors import DataError


@dataclass(frozen=True)
class Square:
    """Squares numbers. ``deadly`` numbers kill their process, at most ``times`` times each; 13 is refused.

    No number is begun before ``together`` processes are ready, and one more for each that died of a number: however
    slow one of them is to begin, the others do not do its part.
    """

    notes: str
    deadly: tuple[int, ...] = ()
    times: int = 1
    together: int = 1

    def __call__(self) -> Callable[[int], tuple[int, int]]:
        notes = Path(self.notes)
        (notes / f"ready-{os.getpid()}").touch()

        def count(pattern: str) -> int:
            return len(list(notes.glob(pattern)))

        def work(number: int) -> tuple[int, int]:
            while count("ready-*") < self.together + count("died-*"):
                time.sleep(0.001)
            for attempt in range(self.times if number in self.deadly else 0):
                note = notes / f"died-{number}-{attempt}"
                if not note.exists():
                    note.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            if number == 13:
                raise DataError("Thirteen is no number.")
            if number == 14:
                raise ZeroDivisionError("fourteen")
            return number * number, torch.get_num_threads()

        return work


@dataclass(frozen=True)
class Stillborn:
    """Never becomes ready."""

    def __call__(self) -> Callable[[int], int]:
        os._exit(3)
