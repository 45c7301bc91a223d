"""A run's JSON and tensors: written as a whole (:mod:`nascence.writing`), read back with one-sentence errors."""

from __future__ import annotations

import io
import json
import math
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nascence import reading
from nascence.errors import RunError
from nascence.writing import (
    explained,
    hidden,
    open_growing,
    remove_abandoned,
    remove_unless_locked,
    replacing,
    siblings,
    sync_directory,
    write_bytes,
)


def write_json(path: Path, value: Any) -> None:
    """:func:`write_bytes` of indented JSON; numbers that JSON does not have (infinite, not a number) become null. An
    object gets an entry with its checksum, which :func:`read_json` checks and leaves out."""
    write_bytes(path, (json.dumps(reading.with_checksum(finite(value)), indent=2, allow_nan=False) + "\n").encode())


def json_line(value: Mapping[str, Any]) -> bytes:
    """:func:`write_json` as a line of a growing file, which :func:`nascence.reading.read_json_lines` reads."""
    return (json.dumps(reading.with_checksum(finite(value)), allow_nan=False) + "\n").encode()


def write_tensors(path: Path, value: Any) -> None:
    """:func:`write_bytes` of what :func:`torch.save` makes of ``value``."""
    import torch  # slow, and 'nascence --help' has no use for it

    buffer = io.BytesIO()  # torch.save to a full disk raises RuntimeError; writing bytes raises an honest OSError
    torch.save(value, buffer)
    write_bytes(path, buffer.getvalue())


def read_json(path: Path) -> Any:
    """Raises :class:`RunError` when the file cannot be read, is not JSON or does not fit the schema of its name."""
    from nascence.runs.schemas import SCHEMAS  # pydantic, which 'nascence --help' has no use for

    return reading.read_json(path, SCHEMAS.get(path.name))


def read_tensors(path: Path) -> Any:
    """What :func:`write_tensors` wrote. Raises :class:`RunError` when the file cannot be read or is damaged."""
    import torch

    try:
        content = reading.read_bytes(path, largest=2**40)
        _check_sums(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a foreign file is refused below; what PyTorch guesses about it is no help
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RunError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 (a damaged archive makes its readers fail in any way there is)
        raise RunError(
            f"{path} is damaged; delete this file to begin its stage again, and everything else in the run stays."
        ) from None


def _check_sums(content: bytes) -> None:
    """Raise ``ValueError`` or ``zipfile.BadZipFile`` where a part of the archive is not what its checksum says, which
    PyTorch does not look at: numbers whose bits changed would be loaded as they are."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.testzip() is not None:
            raise ValueError("a checksum differs")


def finite(value: Any) -> Any:
    """``value`` with every infinite or undefined number replaced by None, tuples by lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


__all__ = [
    "explained",
    "finite",
    "hidden",
    "json_line",
    "open_growing",
    "read_json",
    "read_tensors",
    "remove_abandoned",
    "remove_unless_locked",
    "replacing",
    "siblings",
    "sync_directory",
    "write_bytes",
    "write_json",
    "write_tensors",
]
