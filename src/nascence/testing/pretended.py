"""A device that is none: its tensors are kept in the CPU's memory, and no operation takes one of them together with one
of the CPU's. What runs on it makes no tensor in the wrong place, and so runs on a GPU.

    with pretended_device() as device:
        network, batch = network.to(device), batch.to(device)
        network(batch) + torch.ones(3)  # MisplacedError

It stands where PyTorch has a place for devices of others (``PrivateUse1``); a process has one such device, from its
first use to its end. Values are those of the CPU, to the bit.

It also tells where a program would wait for a GPU (:func:`waits`): to read a value is to wait until all is done that
the GPU was given before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "pretended"
_BETWEEN = ("_to_copy", "copy_", "_copy_from", "_copy_from_and_resize")
"""Operations that are there to bring values from one device to another."""


class MisplacedError(RuntimeError):
    """An operation on tensors of two devices, or a value read where only the device has it."""


@final
class _Pretended(Tensor):
    """A tensor that says it is on the device; ``kept`` has its values."""

    kept: Tensor

    @staticmethod
    def __new__(cls, kept: Tensor) -> _Pretended:
        made: _Pretended = torch.Tensor._make_wrapper_subclass(
            cls,
            kept.shape,
            strides=kept.stride(),
            storage_offset=kept.storage_offset(),
            dtype=kept.dtype,
            layout=kept.layout,
            device=torch.device(NAME, 0),
            requires_grad=False,
        )
        made.kept = kept
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"on the pretended device: {self.kept!r}"

    def tolist(self) -> Any:
        _waited("tolist")
        return self.kept.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """As of a GPU's tensor."""
        if not force:
            raise MisplacedError("NumPy was given a tensor that is on the device; bring it to the CPU first.")
        _waited("numpy")
        return self.kept.numpy(force=True)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, op: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _run(op, args, dict(kwargs or {}))


@final
class _Mode(TorchDispatchMode):
    """Sees what makes tensors, too, which have no tensor among their arguments."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        return _run(op, args, dict(kwargs or {}))


def _run(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation on the kept values; refused where tensors of both devices take part."""
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    here = [value for value in given if isinstance(value, _Pretended)]
    name = op.overloadpacket.__name__
    to = kwargs.get("device")
    target = None if to is None else torch.device(to).type
    if here and name not in _BETWEEN:
        for value in given:
            if not isinstance(value, _Pretended) and value.dim() and value.device.type != "meta":
                raise MisplacedError(
                    f"{name} takes a tensor of {list(value.shape)} on {value.device} together with one of "
                    f"{list(here[0].shape)} on the device."
                )
    if (here or target == NAME) and any(isinstance(each, torch.Generator) for each in tree_leaves((args, kwargs))):
        raise MisplacedError(f"{name} draws from a generator of the CPU on the device.")
    _look(name, args, kwargs, here, target)
    if target == NAME:
        kwargs["device"] = torch.device("cpu")
    on_device = target == NAME if to is not None else bool(here)
    if name == "copy_":
        on_device = isinstance(args[0], _Pretended)
    plain_args, plain_kwargs = tree_map(_kept, (args, kwargs))
    found = op(*plain_args, **plain_kwargs)
    known = {id(_kept(value)): value for value in here}
    return tree_map(lambda value: _wrapped(value, known) if on_device else value, found)


_READS = ("_local_scalar_dense", "bincount", "equal", "nonzero", "masked_select", "_unique2", "unique_dim")
"""Operations whose result, or its shape, the program has to know."""
_INDEXED = ("index", "index_put", "index_put_", "_index_put_impl_")
_COUNTS: list[list[str]] = []


def _look(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], here: list[Any], target: str | None) -> None:
    """Notes what would make a program wait for a GPU."""
    blocking = not kwargs.get("non_blocking", False)
    if name == "copy_":
        to_device, from_device = isinstance(args[0], _Pretended), isinstance(args[1], _Pretended)
        blocking = not kwargs.get("non_blocking", len(args) > 2 and args[2])
        if to_device != from_device and (from_device or blocking):
            _waited("copy_ " + ("from the device" if from_device else "to the device"))
    elif name == "_to_copy" and target is not None:
        if here and target != NAME:
            _waited("to the CPU")
        elif not here and target == NAME and blocking:
            _waited("to the device, blocking")
    elif here and name in _READS:
        _waited(name)
    elif here and name in _INDEXED and any(isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1]):
        _waited(f"{name} by booleans")


def _waited(why: str) -> None:
    for count in _COUNTS:
        count.append(why)


@contextmanager
def waits() -> Iterator[list[str]]:
    """What would make the program wait for a GPU, in the block, one entry each time: values that are read, tensors that
    come back, tensors that are sent without ``non_blocking``."""
    found: list[str] = []
    _COUNTS.append(found)
    try:
        yield found
    finally:
        _COUNTS.remove(found)


def _kept(value: Any) -> Any:
    return value.kept if isinstance(value, _Pretended) else value


def _wrapped(value: Any, known: Mapping[int, Tensor]) -> Any:
    """On the device again; what an operation in place returned is the tensor that it was given."""
    if not isinstance(value, Tensor) or isinstance(value, _Pretended):
        return value
    return known.get(id(value)) if id(value) in known else _Pretended(value)


@cache
def _registered() -> torch.device:
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(rename=NAME)
    library = torch.library.Library("aten", "IMPL")  # for what PyTorch calls beneath Python: lists as indices
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    _LIBRARIES.append(library)
    return torch.device(NAME, 0)


_LIBRARIES: list[Any] = []
"""They hold as long as they are referred to."""


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **others: Any) -> Tensor:
    return _Pretended(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    from_device = isinstance(source, _Pretended)
    if from_device != isinstance(target, _Pretended) and (from_device or not non_blocking):
        _waited("copied from the device" if from_device else "a list sent to the device")
    _kept(target).copy_(_kept(source))
    return target


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """The device, for the block."""
    device = _registered()
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a parameter stays the same object, as on a GPU
    try:
        with _Mode():
            yield device
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def misplaced(call: Callable[[], object]) -> str | None:
    """What :class:`MisplacedError` says of ``call``; None where nothing is in the wrong place."""
    try:
        call()
    except MisplacedError as error:
        return str(error)
    return None


__all__ = ["NAME", "MisplacedError", "misplaced", "pretended_device", "waits"]
