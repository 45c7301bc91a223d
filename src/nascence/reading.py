"""Reading files that are not ours to trust: plain files only, within limits of size and depth, checked by a schema.

A file that somebody gives, or that lies in a run directory, may be anything: a pipe that never ends, a million
brackets, text where a number belongs. Everything here ends in one sentence of the error class that the caller names.
"""

from __future__ import annotations

import json
import math
import os
import select
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.errors import NascenceError, RunError

if TYPE_CHECKING:
    from pydantic import BaseModel

MEBIBYTE = 2**20
LARGEST = 64 * MEBIBYTE
"""Bytes of a file that is read whole, unless the caller says otherwise."""
DEEPEST = 64
"""Levels of lists and objects within each other. What we write has about ten."""
PIPE_SECONDS = 10.0
"""How long a pipe may keep silent."""
CHECKSUM = "checksum"
"""The entry of our JSON objects that tells :func:`checksum` of all others."""
_INTEGER = 2**64


def read_bytes(
    path: str | Path,
    error: type[NascenceError] = RunError,
    *,
    largest: int = LARGEST,
    what: str = "",
    pipe: bool = False,
) -> bytes:
    """The content of a plain file. ``what`` stands before its name in messages; ``pipe``: one may be given instead.

    Raises ``error`` when there is none, it cannot be read, is something else or holds more than ``largest`` bytes.
    """
    name = f"{what} {path}".strip()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe does not make it wait
    except OSError as problem:
        raise error(f"Cannot read {name}: {problem.strerror or problem}.") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) and not (pipe and stat.S_ISFIFO(found.st_mode)):
            raise error(f"Cannot read {name}: it is {kind(found.st_mode)}, not a file.")
        if found.st_size > largest:
            raise error(f"Cannot read {name}: it has {found.st_size:,} bytes, more than the {largest:,} it may have.")
        content = bytearray()
        for part in _parts(descriptor):
            content += part
            if len(content) > largest:
                raise error(f"Cannot read {name}: it has more than the {largest:,} bytes it may have.")
        return bytes(content)
    except OSError as problem:
        raise error(f"Cannot read {name}: {problem.strerror or problem}.") from None
    finally:
        os.close(descriptor)


def check_plain(path: str | Path, error: type[NascenceError] = RunError) -> None:
    """Raises ``error`` when ``path`` is there and no plain file, before a library opens it and waits for ever."""
    try:
        mode = os.stat(path).st_mode
    except OSError as problem:
        raise error(f"Cannot read {path}: {problem.strerror or problem}.") from None
    if not stat.S_ISREG(mode):
        raise error(f"Cannot read {path}: it is {kind(mode)}, not a file.")


def read_text(path: str | Path, error: type[NascenceError] = RunError, **options: Any) -> str:
    """:func:`read_bytes` as UTF-8."""
    try:
        return read_bytes(path, error, **options).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"Cannot read {options.get('what', '')} {path}: it is not text.".replace("  ", " ")) from None


def read_json(
    path: str | Path, schema: type[BaseModel] | None = None, error: type[NascenceError] = RunError, **options: Any
) -> Any:
    """What a JSON file holds, as it stands there, once it fits its checksum, where it has one, and ``schema``; the
    checksum is left out. Raises ``error``."""
    content = read_bytes(path, error, **options)
    try:
        value = without_checksum(parse_json(content))
    except ValueError as problem:
        raise error(f"{path} is damaged: {problem}.") from None
    if schema is not None:
        check(value, schema, path, error)
    return value


def read_json_lines(
    path: Path, schema: type[BaseModel] | None = None, error: type[NascenceError] = RunError, **options: Any
) -> Iterator[dict[str, Any]]:
    """:func:`read_json` of every line of a file; a torn last one is left out."""
    for number, line in enumerate(read_bytes(path, error, **options).split(b"\n")[:-1], start=1):
        try:
            value = without_checksum(parse_json(line))
        except ValueError as problem:
            raise error(f"{path} is damaged: line {number}: {problem}.") from None
        if schema is not None:
            check(value, schema, f"{path}, line {number},", error)
        yield value


def parse_json(content: bytes | str, *, infinite: bool = False) -> Any:
    """A JSON value. Raises ``ValueError`` with the reason when it is none, is deeper than :data:`DEEPEST`, or holds
    what no file of ours does: numbers that are not finite (``infinite`` allows them) or beyond 64 bits, half
    characters."""
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    except ValueError:
        raise ValueError("it is not valid JSON") from None
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
                below += item.keys()
            elif isinstance(item, list):
                below += item
            else:
                _check_plain_value(item, infinite)
        if not below:
            return value
        level = below
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def checksum(value: Mapping[str, Any]) -> str:
    """Of a JSON object without its entry of this name, in this order: a changed bit that leaves the file valid JSON,
    and a number or a name another one, does not go unnoticed."""
    text = json.dumps({name: entry for name, entry in value.items() if name != CHECKSUM})
    return f"{zlib.crc32(text.encode()):08x}"


def with_checksum(value: Any) -> Any:
    """``value``, an object with its checksum as the last entry."""
    return {**value, CHECKSUM: checksum(value)} if isinstance(value, dict) else value


def without_checksum(value: Any) -> Any:
    """``value``, an object without its checksum. Raises ``ValueError`` when it does not fit that."""
    if not isinstance(value, dict) or CHECKSUM not in value:  # not ours, or of an earlier version
        return value
    if value[CHECKSUM] != checksum(value):
        raise ValueError(
            f"its content does not fit its checksum; if you changed it on purpose, delete its entry '{CHECKSUM}'"
        )
    return {name: entry for name, entry in value.items() if name != CHECKSUM}


def check(value: Any, schema: type[BaseModel], source: object, error: type[NascenceError] = RunError) -> None:
    """Raises ``error``, naming the first place where ``value`` does not fit ``schema``."""
    from pydantic import ValidationError

    try:
        schema.model_validate(value)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        told = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise error(f"{source} is damaged: {f'{place}: ' if place else ''}{told[0].lower()}{told[1:]}.") from None


def _check_plain_value(item: Any, infinite: bool) -> None:
    if isinstance(item, float) and not infinite and not math.isfinite(item):
        raise ValueError("it holds a number that is not finite")
    if isinstance(item, int) and abs(item) > _INTEGER:
        raise ValueError("it holds a whole number of more than 64 bits")
    if isinstance(item, str) and not item.isascii():
        try:
            item.encode("utf-8", "surrogateescape")  # names that are no UTF-8 stand there in this form
        except UnicodeEncodeError:
            raise ValueError("it holds half a character") from None


def kind(mode: int) -> str:
    """What something that is no file is, in words."""
    names = {stat.S_ISDIR: "a directory", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((name for is_one, name in names.items() if is_one(mode)), "a device")


def _parts(descriptor: int) -> Iterator[bytes]:
    quiet_since = time.monotonic()
    while True:
        try:
            part = os.read(descriptor, MEBIBYTE)
        except BlockingIOError:
            if time.monotonic() - quiet_since > PIPE_SECONDS:
                raise OSError(f"nothing came through the pipe for {PIPE_SECONDS:g} s") from None
            select.select([descriptor], [], [], PIPE_SECONDS)
            continue
        if not part:
            return
        quiet_since = time.monotonic()
        yield part


__all__ = [
    "CHECKSUM",
    "DEEPEST",
    "LARGEST",
    "MEBIBYTE",
    "check",
    "check_plain",
    "checksum",
    "kind",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_json_lines",
    "read_text",
    "with_checksum",
    "without_checksum",
]
