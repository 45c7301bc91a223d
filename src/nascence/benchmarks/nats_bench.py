"""Importer for the official files of NATS-Bench's topology space (Dong, Liu, Musial, Gabrys, TPAMI 2021).

Layout, as read from the sample of three architectures that the benchmark's repository ships for its own tests
(``fake_torch_dir/NATS-tss-v1_0-3ffb9-simple``); that the full archive is the same throughout is not confirmed here:

- A folder ``NATS-tss-v1_0-3ffb9-simple`` of bz2-compressed pickles: ``meta.pickle.pbz2`` and one file an architecture,
  ``000000.pickle.pbz2`` to ``015624.pickle.pbz2``, numbered by the official index.
- meta: ``{"meta_archs": [text of every architecture], "total_archs": 15625, ...}``.
- An architecture: ``{"12": trials, "200": trials}`` by the number of epochs (a ``-full`` archive may have "01" and "90"
  too), with trials ``{"arch_index", "arch_str", "dataset_seed": {dataset: [seeds]}, "all_results": {(dataset, seed):
  result}, ...}``.
- A result: ``{"epochs", "params" (millions), "flop" (million MACs), "eval_acc1es": {"<set>@<epoch from 0>": percent},
  "eval_names", "latency" (seconds), ...}``; in ``-full`` archives ``net_state_dict`` holds tensors, which are refused.
- Data sets: ``cifar10-valid`` (trained on half, sets ``x-valid`` and ``ori-test``), ``cifar10`` (trained on all,
  ``ori-test``), ``cifar100`` and ``ImageNet16-120`` (``x-valid``, ``x-test``, and both together as ``ori-test``).

A pickle can run any code when it is read; :class:`RestrictedUnpickler` builds nothing but plain containers and NumPy
scalars.
"""

from __future__ import annotations

import bz2
import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nascence.errors import DataError
from nascence.spaces import get_space

_EXTENSION = ".pickle.pbz2"
# Our column's beginning -> the benchmark's data set and evaluation set.
_SETS = {
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar10_valid": ("cifar10-valid", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "cifar100_valid": ("cifar100", "x-valid"),
    "imagenet16_120_test": ("ImageNet16-120", "x-test"),
    "imagenet16_120_valid": ("ImageNet16-120", "x-valid"),
}


def _scalar(dtype: Any, data: bytes) -> float | int | bool:
    """What ``numpy.core.multiarray.scalar`` would give, as a Python number; numeric types only."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub" or len(data) != dtype.itemsize:
        raise pickle.UnpicklingError("a NumPy scalar that is not a number")
    return np.frombuffer(data, dtype=dtype)[0].item()


def _dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    if not isinstance(name, str) or re.fullmatch(r"[<>=|]?[fiub]\d{1,2}", name) is None:
        raise pickle.UnpicklingError("a NumPy type that is not numeric")
    return np.dtype(name)


class RestrictedUnpickler(pickle.Unpickler):
    """Builds dictionaries, lists, tuples, sets, text, numbers, ``OrderedDict`` and NumPy scalars; refuses the rest."""

    ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy", "dtype"): _dtype,
        ("numpy.core.multiarray", "scalar"): _scalar,
        ("numpy._core.multiarray", "scalar"): _scalar,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it contains {module}.{name}")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside of itself")


def read_pickle(path: Path) -> Any:
    """A bz2-compressed pickle of plain data. Raises :class:`DataError` when it is unreadable or holds anything else."""
    try:
        with bz2.open(path) as file:
            return RestrictedUnpickler(io.BytesIO(file.read())).load()
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"Cannot read {path}: {error}.") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no NATS-Bench file: {error}.") from None


def import_nats_bench(folder: str | Path, out: str | Path) -> Path:
    """Turn the official folder into a table that :func:`nascence.benchmarks.load_table` reads.

    Columns: ``index``, ``architecture`` and per data set and set ``<data>_<test|valid>_acc_<epochs>ep``, the accuracy
    in percent after the last epoch, averaged over the seeds; missing trials give an empty value. Architectures whose
    file is absent are left out. Raises :class:`DataError` on a folder without ``meta``, without any architecture, with
    other texts than the space's, or when ``out`` exists.
    """
    import pyarrow as pa
    from pyarrow import parquet

    folder, out = Path(folder), Path(out)
    if out.exists():
        raise DataError(f"{out} exists already; choose another name for the table.")
    rows = list(_rows(folder))
    if not rows:
        raise DataError(f"{folder} holds no architecture, only meta{_EXTENSION}.")
    names = sorted({name for row in rows for name in row} - {"index", "architecture"}, key=_column_order)
    columns: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows] for name in ("index", "architecture", *names)
    }
    table = pa.table(columns).replace_schema_metadata({"space": "nas-bench-201", "source": "NATS-Bench tss v1.0"})
    partial = out.with_name(out.name + ".partial")
    parquet.write_table(table, partial)
    partial.replace(out)
    return out


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    meta = folder / f"meta{_EXTENSION}"
    if not meta.is_file():
        raise DataError(f"{folder} has no meta{_EXTENSION}; expected the folder NATS-tss-v1_0-3ffb9-simple.")
    content = read_pickle(meta)
    texts = content.get("meta_archs") if isinstance(content, dict) else None
    space = get_space("nas-bench-201")
    if not isinstance(texts, list) or len(texts) != space.size:
        raise DataError(f"{meta} does not list the {space.size:,} architectures of the topology space.")
    for index, text in enumerate(texts):
        path = next(
            (p for p in (folder / f"{index:06d}{_EXTENSION}", folder / f"{index}{_EXTENSION}") if p.is_file()), None
        )
        if path is None:
            continue
        architecture = space.parse(str(text))
        if space.index(architecture) != index:
            raise DataError(f"{meta} has '{text}' at {index}; its official index is {space.index(architecture)}.")
        try:
            yield {"index": index, "architecture": str(text), **_accuracies(read_pickle(path), str(text))}
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not laid out like a NATS-Bench architecture: {error!r}.") from None


def _accuracies(content: dict[str, Any], text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for epochs, trials in content.items():
        if trials["arch_str"] != text:
            raise TypeError(f"it is about {trials['arch_str']}, not {text}")
        for column, (dataset, evaluated) in _SETS.items():
            values = [
                float(trials["all_results"][dataset, seed]["eval_acc1es"][f"{evaluated}@{int(epochs) - 1}"])
                for seed in trials["dataset_seed"].get(dataset, [])
            ]
            if values:
                found[f"{column}_acc_{int(epochs)}ep"] = sum(values) / len(values)
    return found


def _column_order(name: str) -> tuple[int, int]:
    beginning, _, epochs = name.rpartition("_acc_")
    return -int(epochs.removesuffix("ep")), list(_SETS).index(beginning)


__all__ = ["RestrictedUnpickler", "import_nats_bench", "read_pickle"]
