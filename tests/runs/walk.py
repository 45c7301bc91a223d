"""A walk whose every step depends on all earlier ones. As a program: ``python walk.py DIR STEPS SECONDS_A_STEP QUOTA``,
which after QUOTA steps of its own waits to be ended."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from nascence.runs import Interrupted, RunDirectory, execute
from nascence.seeding import generator


class Walk:
    """Fulfils Resumable. ``at_step`` is called within each step, for tests that interfere."""

    def __init__(self, total_steps: int, pause: float = 0.0, at_step: Callable[[int], None] | None = None) -> None:
        self.total_steps, self.pause, self.at_step = total_steps, pause, at_step
        self.steps_done = 0
        self.position = torch.zeros(3, dtype=torch.float64)

    @property
    def done(self) -> bool:
        return self.steps_done >= self.total_steps

    def advance(self) -> dict[str, Any]:
        draw = torch.rand(3, generator=generator(0, self.steps_done), dtype=torch.float64)
        self.position = 0.9 * self.position + draw
        if self.at_step:
            self.at_step(self.steps_done)
        time.sleep(self.pause)
        self.steps_done += 1
        return {"step": self.steps_done, "position": self.position.sum().item()}

    def state_dict(self) -> dict[str, Any]:
        return {"steps_done": self.steps_done, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done, self.position = state["steps_done"], state["position"]


def main() -> int:
    path, steps, pause, quota = sys.argv[1:]
    run = RunDirectory.open(path)
    left = int(quota)

    def at_step(_: int) -> None:
        nonlocal left
        left -= 1
        while left < 0:
            signal.pause()

    walk = Walk(int(steps), float(pause), at_step)
    print("ready", flush=True)
    try:
        with run.locked():
            execute(walk, run, checkpoint_seconds=0.0)
    except Interrupted as stop:
        print(stop, flush=True)
        return stop.exit_code
    run.write_json("architecture.json", {"position": walk.position.tolist()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
