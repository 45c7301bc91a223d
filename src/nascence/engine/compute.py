"""Where tensors live and how networks compute: the device, its precision and layout, and the processes that share."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar, final, get_args

import torch
from torch import Tensor, nn

from nascence.errors import SettingError, UnknownNameError

Precision = Literal["fp32", "bf16"]
Value = TypeVar("Value")

CPU: Final = torch.device("cpu")


@final
@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and how a search, a training or a measurement computes.

    ``precision``: bf16 computes convolutions and products of matrices in bfloat16, and keeps weights, statistics and
    losses in float32. ``channels_last``: layout of images and features in memory. ``compile``: networks by
    torch.compile. ``threads``: of the CPU, None for PyTorch's number. ``rank``, ``world``: which of how many processes
    this one is, that take a share of every batch and average their gradients.

    Random numbers are drawn on the CPU, whatever the device, so that a seed means the same everywhere.
    """

    device: torch.device = CPU
    precision: Precision = "fp32"
    channels_last: bool = False
    compile: bool = False
    threads: int | None = None
    rank: int = 0
    world: int = 1

    @classmethod
    def choose(cls, device: str | torch.device = "cpu", precision: str = "fp32", **changes: Any) -> Self:
        """From the names that a user gives: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:N``,
        ``mps``; ``fp32`` or ``bf16``.

        Raises :class:`SettingError` when there is no such device here or it cannot compute in ``precision``, and
        :class:`UnknownNameError` on any other name.
        """
        if precision not in get_args(Precision):
            raise UnknownNameError("precision", precision, get_args(Precision))
        found = find_device(str(device).strip().lower())
        if precision == "bf16" and not computes_in_bf16(found):
            raise SettingError(f"{device_title(found)} does not compute in bf16; leave --precision at fp32.")
        return cls(device=found, precision=precision, **changes)  # type: ignore[arg-type]

    @property
    def on_cpu(self) -> bool:
        return self.device.type == "cpu"

    @property
    def name(self) -> str:
        """The device's name as its maker gives it, such as ``NVIDIA H200``."""
        return device_title(self.device)

    def describe(self) -> dict[str, Any]:
        """What a run keeps of it, ready for JSON: :meth:`restored` understands it."""
        usual = Compute()
        changed = {n: getattr(self, n) for n in ("channels_last", "compile") if getattr(self, n) != getattr(usual, n)}
        world = {"processes": self.world} if self.world > 1 else {}
        return {"device": str(self.device), "precision": self.precision, "name": self.name, **changed, **world}

    @classmethod
    def restored(cls, kept: Mapping[str, Any] | None, device: str | None = None) -> Self:
        """From what a run keeps; nothing stands for the CPU, as before there was a choice. ``device``: another one than
        it was begun on. Raises as :meth:`choose`, with what to type where the device is not here."""
        kept = kept or {}
        own = {name: kept[name] for name in ("channels_last", "compile") if name in kept}
        try:
            return cls.choose(device or kept.get("device", "cpu"), kept.get("precision", "fp32"), **own)
        except SettingError as error:
            if device is not None:
                raise
            raise SettingError(
                f"This run was begun on {kept.get('name', kept.get('device'))}. {error} To go on with it here, type: "
                "nascence runs resume DIR --device cpu"
            ) from None

    def place(self, value: Value) -> Value:
        """``value`` on the device and in the layout: a tensor, a module (which is moved itself), a batch, or a list,
        tuple or mapping of them. Whatever is none of these stays as it is."""
        moved: Any = value
        if isinstance(value, nn.Module):
            moved = value.to(self.device)
            if self.channels_last:
                moved = moved.to(memory_format=torch.channels_last)
        elif isinstance(value, Tensor):
            moved = value.to(self.device, non_blocking=True)
            if self.channels_last and moved.dim() == 4:
                moved = moved.contiguous(memory_format=torch.channels_last)
        elif isinstance(value, Mapping):
            moved = {name: self.place(each) for name, each in value.items()}
        elif isinstance(value, list | tuple):
            moved = type(value)(self.place(each) for each in value)
        elif hasattr(value, "to"):
            moved = value.to(self.device, channels_last=self.channels_last)
        return moved

    def compiled(self, network: Any) -> Any:
        """What to call instead of ``network``."""
        return torch.compile(network) if self.compile else network

    def autocast(self) -> AbstractContextManager[Any]:
        """The block within which networks compute in :attr:`precision`."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def plain(self) -> Compute:
        """The same device in full precision, uncompiled: for what is measured of a network and not trained."""
        return replace(self, precision="fp32", compile=False)

    def synchronise(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def time(self, call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
        """Seconds of ``call``, begun and ended with nothing left to do on the device."""
        self.synchronise()
        began = clock()
        call()
        self.synchronise()
        return clock() - began

    # Processes that share batches ------------------------------------------------------------------------------------

    def take(self, batch: Value) -> Value:
        """This process's share of a batch (:meth:`nascence.tasks.base.Batch.share`), in its place."""
        return self.place(batch if self.world == 1 else batch.share(self.rank, self.world))  # type: ignore[attr-defined]

    def average(self, gradients: Iterable[Tensor], part: float | None = None) -> None:
        """Replace each gradient by the mean over the processes, in place. ``part``: of the batch that this process saw,
        None for 1 / world. (The means over shares, each times its part, add up to the mean over the batch.)"""
        if self.world > 1:
            values = list(gradients)
            weight = 1 / self.world if part is None else part
            for value in values:
                value.mul_(weight)
            self._sum(values)

    def add(self, sums: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums over a share of the examples, added up over the processes."""
        if self.world == 1:
            return dict(sums)
        whole = {name: value.clone() for name, value in sums.items()}
        self._sum(list(whole.values()))
        return whole

    def agree(self, buffers: Iterable[Tensor]) -> None:
        """Running statistics become their mean over the processes; counts are the same in all already."""
        self.average([value for value in buffers if value.is_floating_point()])

    @staticmethod
    def _sum(values: list[Tensor]) -> None:
        """All of one type in one message."""
        kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for value in values:
            kinds.setdefault((value.dtype, value.device), []).append(value)
        for same in kinds.values():
            flat = torch.cat([value.detach().reshape(-1) for value in same])
            torch.distributed.all_reduce(flat)
            for value, whole in zip(same, flat.split([value.numel() for value in same]), strict=True):
                value.detach().copy_(whole.view(value.shape))


def find_device(name: str) -> torch.device:
    """The device of a name that a user gives. Raises :class:`SettingError` where it is not here,
    :class:`UnknownNameError` where there is none of that name."""
    kind, _, number = name.partition(":")
    if name == "auto":
        name = kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise UnknownNameError("device", name, ("auto", "cpu", "cuda", "cuda:N", "mps"))
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            built = "" if torch.backends.cuda.is_built() else " (this PyTorch is built without CUDA)"
            raise SettingError(f"There is no GPU that PyTorch can use here{built}; give --device cpu, or auto.")
        if number and int(number) >= count:
            known = ", ".join(f"cuda:{at}" for at in range(count))
            raise SettingError(f"There is no GPU number {int(number)} here; there is {known}.")
        return torch.device("cuda", int(number or 0))
    if kind == "mps" and not torch.backends.mps.is_available():
        raise SettingError("mps is the GPU of Apple's processors, and there is none here; give --device cpu, or auto.")
    return torch.device(kind)


def devices() -> list[torch.device]:
    """Every device there is here, the CPU first: what conformance tests run on."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    apple = [torch.device("mps")] if torch.backends.mps.is_available() else []
    return [CPU, *(torch.device("cuda", at) for at in range(gpus)), *apple]


def computes_in_bf16(device: torch.device) -> bool:
    """Every CPU does, quickly or not; GPUs of NVIDIA since Ampere."""
    return device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False))


def device_title(device: torch.device) -> str:
    """The device's name as its maker gives it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor_name() if device.type == "cpu" else str(device)


@cache
def processor_name() -> str:
    """``CPU`` and the processor's name as the system gives it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            name = value.strip()
            break
    return f"CPU {name}"


ON_CPU: Final = Compute()
"""One process on the CPU, in full precision: what is usual."""

__all__ = [
    "CPU",
    "ON_CPU",
    "Compute",
    "Precision",
    "computes_in_bf16",
    "device_title",
    "devices",
    "find_device",
    "processor_name",
]
