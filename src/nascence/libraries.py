"""Libraries that leave something behind on the machine unless they are told not to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_COMPILER_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def onnx_runtime() -> Any:
    """The module ``onnxruntime``, which otherwise keeps an identifier and a store of events in the user's cache folder
    and sends them to its maker. Who wants that sets ORT_DISABLE_TELEMETRY=0."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


@contextmanager
def no_compiler_folder() -> Iterator[None]:
    """What PyTorch imports and exports inside makes no empty folder for its compiler's cache among the temporary files.
    A real compilation, outside, makes and uses that folder as ever."""
    if _COMPILER_FOLDER in os.environ:
        yield
        return
    os.environ[_COMPILER_FOLDER] = tempfile.gettempdir()
    try:
        yield
    finally:
        os.environ.pop(_COMPILER_FOLDER, None)


def import_dynamo() -> None:
    """What every optimizer of PyTorch imports, without that folder."""
    with no_compiler_folder():
        import torch._dynamo  # noqa: F401


__all__ = ["import_dynamo", "no_compiler_folder", "onnx_runtime"]
