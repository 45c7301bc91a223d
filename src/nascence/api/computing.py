"""Where a command computes, from what its user says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch

from nascence.configuration import at_most
from nascence.engine.compute import ON_CPU, Compute, find_device
from nascence.engine.team import check
from nascence.errors import SettingError
from nascence.methods import Method
from nascence.tasks import Task

MOST_PROCESSES = 1_024


def chosen(device: str = "cpu", precision: str = "fp32", processes: int = 1) -> Compute:
    """Raises :class:`nascence.errors.NascenceError` where it is not to be had here."""
    at_most(MOST_PROCESSES, processes=processes)
    if processes < 1:
        raise SettingError(f"The number of processes must be at least 1, got {processes}.")
    compute = replace(Compute.choose(device, precision), world=processes)
    check(compute)
    return compute


def chosen_for(method: type[Method], device: str = "cpu", precision: str = "fp32", processes: int = 1) -> Compute:
    """As :func:`chosen`, for a search. A method that computes on the CPU alone stays there on ``auto``, and refuses
    another device; likewise bf16."""
    if device == "auto" and not method.on_device:
        device = "cpu"
    compute = chosen(device, precision, processes)
    if not compute.on_cpu and not method.on_device:
        raise SettingError(f"{method.name} computes on the CPU alone; leave --device out, or give --device auto.")
    if precision != "fp32" and precision not in method.precisions:
        raise SettingError(f"{method.name} computes in fp32 alone; leave --precision out.")
    return compute


@final
@dataclass(frozen=True)
class Workers:
    """Where workers compute: ``device`` as each of them calls it, in ``precision``; ``gpus`` of this machine, which
    they take in turn and see alone. Plain values, so that they can be sent to other processes."""

    device: str = "cpu"
    precision: str = "fp32"
    gpus: int = 0

    @classmethod
    def on(cls, device: str = "cpu", precision: str = "fp32") -> Workers:
        """``cuda``, and ``auto`` where that is it, are all GPUs of this machine, ``cuda:N`` is that one for all
        workers. Raises as :func:`chosen`."""
        compute = chosen(device, precision)
        spread = compute.device.type == "cuda" and ":" not in device
        return cls("cuda" if spread else str(compute.device), precision, torch.cuda.device_count() if spread else 0)

    def compute(self) -> Compute:
        return chosen(self.device, self.precision)

    def compute_for(self, method: type[Method]) -> Compute:
        """A method that computes on the CPU alone is there, in full precision; one that computes in fp32 alone
        elsewhere refuses another precision."""
        return chosen_for(method, self.device, self.precision) if method.on_device else ON_CPU

    def entry(self) -> dict[str, Any]:
        """What results depend on; nothing for what is usual. Which of several GPUs it is does not matter."""
        if (self.device, self.precision) == ("cpu", "fp32"):
            return {}
        return {"compute": {"device": find_device(self.device).type, "precision": self.precision}}


def compute_entry(compute: Compute | None) -> dict[str, Any]:
    """The entry of a run's configuration; none for what is usual, one process on the CPU in full precision."""
    return {} if compute is None or compute == ON_CPU else {"compute": compute.describe()}


def restored(config: Mapping[str, Any], device: str | None = None, rank: int = 0) -> Compute:
    """From a run's configuration, on ``device`` instead of the one that it was begun on, if there is one. A process
    beside the first one (``rank`` above 0) sees its own GPU alone."""
    entry = config.get("compute") or {}
    if rank and str(device or entry.get("device", "cpu")).startswith("cuda"):
        device = "cuda"
    compute = replace(Compute.restored(entry, device), rank=rank, world=int(entry.get("processes", 1)))
    if not rank:
        check(compute)
    return compute


def check_shares(compute: Compute, task: Task) -> None:
    """Raises :class:`SettingError` where examples of a task cannot be shared among processes."""
    if compute.world > 1 and task.signature.domain == "graph":
        raise SettingError("A graph is one whole and cannot be shared among processes; leave --processes out.")


__all__ = ["Workers", "check_shares", "chosen", "chosen_for", "compute_entry", "restored"]
