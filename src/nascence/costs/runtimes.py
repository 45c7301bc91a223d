"""What runs a network: the exported file in ONNX Runtime, or the module in PyTorch. Latencies are of one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.costs.latency import device_name
from nascence.costs.timing import Call
from nascence.engine.threads import compute_threads
from nascence.registry import Registry
from nascence.tasks.base import Signature

SHIPPED, MODULE = "onnx", "torch"


class Runtime(ABC):
    """``name`` is what ``--runtime`` takes, ``title`` what people read. ``copies``: how many of an operation are timed
    together, where a call takes a while before it computes anything."""

    name: ClassVar[str]
    title: ClassVar[str]
    copies: ClassVar[int] = 1

    @abstractmethod
    def device(self) -> str:
        """The processor and the runtime's version."""

    @abstractmethod
    def ready(self, threads: int | None) -> AbstractContextManager[int]:
        """The block within which calls are timed; gives the number of threads."""

    @abstractmethod
    def call(self, module: nn.Module, inputs: Sequence[Tensor], threads: int, *, shipped: bool = False) -> Call:
        """One forward pass of ``module``, which is in evaluation mode, on ``inputs``. ``shipped``: as the file that is
        exported in the end, with a normalisation in front; without, what is as quick but sooner made."""


@final
class Torch(Runtime):
    name: ClassVar[str] = MODULE
    title: ClassVar[str] = "PyTorch"

    def device(self) -> str:
        return device_name()

    @contextmanager
    def ready(self, threads: int | None) -> Iterator[int]:
        with compute_threads(threads) as used, torch.inference_mode():
            yield used

    def call(self, module: nn.Module, inputs: Sequence[Tensor], threads: int, *, shipped: bool = False) -> Call:
        return lambda: module(*inputs)


RUNTIMES = Registry("runtime", {SHIPPED: "nascence.exporting.latency:OnnxRuntime", MODULE: Torch})


def usual_runtime(signature: Signature) -> str:
    """The name of what is taken where nobody says: what is shipped, where there is such a file."""
    return SHIPPED if signature.domain == "images" else MODULE


def get_runtime(name: str) -> Runtime:
    """Raises :class:`nascence.errors.UnknownNameError`."""
    return RUNTIMES.get(name)()


def runtime_title(record: Mapping[str, Any]) -> str:
    """What the latency of a run's record is of, as people read it: before there was a choice, it was PyTorch."""
    name = str(record.get("runtime", MODULE))
    return get_runtime(name).title if name in RUNTIMES.names() else name


__all__ = ["MODULE", "RUNTIMES", "SHIPPED", "Runtime", "Torch", "get_runtime", "runtime_title", "usual_runtime"]
