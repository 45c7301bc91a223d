"""Writing files so that they are whole at every moment, and reading them back with one-sentence errors."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nascence.errors import RunError

FULL = {errno.ENOSPC, errno.EDQUOT}


def temporary(path: Path) -> Path:
    """The hidden sibling under which ``path`` is written before it takes its place."""
    return path.with_name(f".{path.name}.tmp")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: at every moment, a power cut included, it is the old file or the new one.

    Raises ``OSError``; the old file is whole then, and the unfinished one is gone.
    """
    unfinished = temporary(path)
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_json(path: Path, value: Any) -> None:
    """:func:`write_bytes` of indented JSON; numbers that JSON does not have (infinite, not a number) become null."""
    write_bytes(path, (json.dumps(finite(value), indent=2, allow_nan=False) + "\n").encode())


def write_tensors(path: Path, value: Any) -> None:
    """:func:`write_bytes` of what :func:`torch.save` makes of ``value``."""
    import torch  # slow, and 'nascence --help' has no use for it

    buffer = io.BytesIO()  # torch.save to a full disk raises RuntimeError; writing bytes raises an honest OSError
    torch.save(value, buffer)
    write_bytes(path, buffer.getvalue())


def read_json(path: Path) -> Any:
    """Raises :class:`RunError` when the file cannot be read or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from None
    except ValueError:
        raise RunError(f"{path} is damaged: it is not valid JSON.") from None


def read_tensors(path: Path) -> Any:
    """What :func:`write_tensors` wrote. Raises :class:`RunError` when the file cannot be read or is damaged."""
    import torch

    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a foreign file is refused below; what PyTorch guesses about it is no help
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError):
        raise RunError(
            f"{path} is damaged; delete this file to begin its stage again, and everything else in the run stays."
        ) from None


def finite(value: Any) -> Any:
    """``value`` with every infinite or undefined number replaced by None, tuples by lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def sync_directory(path: Path) -> None:
    """Make renames in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path, resume: str | None = None) -> Iterator[None]:
    """Turn an ``OSError`` while writing under ``path`` into a :class:`RunError` that says how to go on."""
    try:
        yield
    except OSError as error:
        what = "No space is left on the device for" if error.errno in FULL else "Cannot write"
        why = "" if error.errno in FULL else f" ({error.strerror or error})"
        how = f" Once that is mended, continue with: {resume}" if resume else ""
        raise RunError(f"{what} {path}{why}; nothing that was there is damaged.{how}") from error
