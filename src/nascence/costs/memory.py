"""Peak activation memory of a forward pass, from shapes alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from nascence.costs.inputs import Inputs, counting_device, to_count
from nascence.costs.shapes import Shapes

MIB = 2**20


def memory_mib(module: nn.Module, inputs: Inputs) -> float:
    """MiB (2^20 bytes) of activations alive at once at the worst moment of the forward pass of one image or graph, in
    evaluation mode; see :data:`nascence.costs.inputs.Inputs`.

    Exactly: the operators run in the order of the program, as PyTorch dispatches them. A tensor's storage is alive from
    the operator that makes it (the network's input: from the start) to the last operator that reads or writes it (the
    network's output: to the end). While an operator runs, its inputs and outputs are alive. The peak is the largest sum
    of bytes of the storages alive during one operator. Views and work done in place share a storage, which counts once.
    Weights, statistics of normalisation and an operator's own scratch space are not counted. Activations are float32.
    Evaluated on a shape-only copy.
    """
    return trace_memory(copy.deepcopy(module).to(counting_device(inputs)), inputs)


def trace_memory(module: nn.Module, inputs: Inputs) -> float:
    """:func:`memory_mib` of a module that lives on the device of counting already; leaves it in evaluation mode."""
    return peak_bytes(*trace(module, inputs)) / MIB


def trace(module: nn.Module, inputs: Inputs) -> tuple[list[tuple[int, ...]], dict[int, int]]:
    """Per operator the activation storages that it touches, and each storage's bytes.

    The first entry is the network's input alone, the last its output. The module is on the device of counting.
    """
    module.eval()
    own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    recorder = _Recorder(own)
    example = to_count(inputs)
    with recorder:
        recorder.note(example)
        recorder.note(tree_leaves(module(*example)))
    return recorder.touched, recorder.sizes


def peak_bytes(touched: list[tuple[int, ...]], sizes: dict[int, int]) -> int:
    """The largest sum of sizes of storages alive during one operator, in one pass over first and last uses."""
    first = {storage: at for at in reversed(range(len(touched))) for storage in touched[at]}
    last = {storage: at for at in range(len(touched)) for storage in touched[at]}
    change = [0] * (len(touched) + 1)
    for storage, at in first.items():
        change[at] += sizes[storage]
        change[last[storage] + 1] -= sizes[storage]
    alive = peak = 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak


class _Recorder(Shapes):
    """Notes which storages every operator touches; keeps all of them, so that none is taken for another."""

    def __init__(self, ignored: set[int]) -> None:
        super().__init__()
        self.ignored = ignored
        self.touched: list[tuple[int, ...]] = []
        self.sizes: dict[int, int] = {}
        self._kept: list[Tensor] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_dispatch__(function, types, args, kwargs)
        # normalisation also returns statistics, which only a backward pass would read
        made = result[0] if "batch_norm" in function.name() and isinstance(result, tuple) else result
        self.note([*tree_leaves((args, kwargs)), *tree_leaves(made)])
        return result

    def note(self, values: Iterable[object]) -> None:
        tensors = [value for value in values if isinstance(value, Tensor)]
        self._kept += tensors
        found = {_storage(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
        self.sizes |= {storage: size for storage, size in found.items() if storage not in self.ignored}
        self.touched.append(tuple(storage for storage in found if storage not in self.ignored))


def _storage(tensor: Tensor) -> int:
    """What tells one storage from another while both exist."""
    return int(tensor.untyped_storage()._cdata)


__all__ = ["MIB", "memory_mib", "peak_bytes", "trace", "trace_memory"]
