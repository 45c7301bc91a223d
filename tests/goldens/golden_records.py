"""Records of what searches and trainings do: their events, results and weights, to be kept and compared.

A record holds no time and no sentence. Fields of records may be added by later versions; what was recorded stays.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from golden_cases import CASES, Search, Train
from PIL import Image
from torch import Tensor

import nascence
from nascence.methods import METHODS
from nascence.reading import read_json, read_json_lines
from nascence.spaces import get_space
from nascence.testing import toy_denoiser_space, toy_space, toy_widths

FOLDER = Path(__file__).parent / "recorded"
ARITHMETIC = FOLDER / "arithmetic.json"

_RESULTS = ("architecture.json", "front.json", "metrics.json")
_TIMES = {"seconds", "search_seconds", "images_per_second", "latency_ms"}
_SENTENCES = {"warning", "collapse", "caveat"}
"""Recorded as being there, however they are worded."""
_GIVEN = {"settings", "input_shape", "class_names", "training", "data", "method", "seed", "budget", "network", "table"}
"""What is in results, but was asked for or belongs to the data."""


def record(name: str, folder: Path) -> dict[str, Any]:
    """Run the case ``name`` in the empty ``folder`` with one thread."""
    toy_space()
    toy_widths()
    toy_denoiser_space()
    case = CASES[name]
    common = {"data": "digits", "data_dir": folder, "out": folder / "run", "seed": 0, "threads": 1, "progress": False}
    if isinstance(case, Train):
        architecture = nascence.Architecture.from_string(case.architecture, case.space)
        return record_of(nascence.train(architecture, **common, **case.options).run.path)
    if case.needs == "pictures":
        common["data"] = str(_pictures(folder))
    return record_of(nascence.search(case.method, case.space, **common, **_options(case, folder)).run.path)


def record_of(run: Path) -> dict[str, Any]:
    """Of a run that is finished: a search, a training, or both."""
    events = [event for path in sorted(run.glob("*.jsonl")) for event in read_json_lines(path)]
    results = {name: read_json(run / name) for name in _RESULTS if (run / name).is_file()}
    states = [run / name for name in ("checkpoint.pt", "model.pt") if (run / name).is_file()]
    tensors = [tensor for path in states for tensor in _tensors(torch.load(path, weights_only=True))]
    return {
        "events": [_kept(event) for event in events],
        "results": {name: _kept(result) for name, result in results.items()},
        "tensors": sorted(_described(tensor) for tensor in tensors),
    }


def _options(case: Search, folder: Path) -> dict[str, Any]:
    settings, preset = dict(case.settings), None
    if case.needs == "latencies":
        settings["latencies"] = str(_latencies(folder))
    if case.needs == "table":
        _table(folder)
    if METHODS.get(case.method).PRESETS:
        preset = "paper"  # settings are changes of the methods' defaults
    return {**case.options, "settings": settings, "preset": preset}


def _latencies(folder: Path) -> Path:
    """Every second architecture of the toy space; convolutions add to the latency."""
    space, path = toy_space(), folder / "latencies.csv"
    cost = {"none": 0.0, "skip_connect": 0.25, "nor_conv_1x1": 0.5, "nor_conv_3x3": 1.5}
    some = list(space.enumerate())[::2]
    rows = [f'"{space.format(each)}",{1 + sum(cost[answer] for answer in each.answers)}' for each in some]
    path.write_text("\n".join(["architecture,latency_ms", *rows, ""]))
    return path


def _pictures(folder: Path) -> Path:
    """Six grey pictures of 32 x 32 random pixels, smoothed, so that there is something to restore."""
    (folder / "pictures").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (36, 36)).astype(np.float64)
        smooth = np.lib.stride_tricks.sliding_window_view(pixels, (5, 5)).mean((2, 3))
        Image.fromarray(smooth.astype(np.uint8)).save(folder / "pictures" / f"{number}.png")
    return folder / "pictures"


def _table(folder: Path) -> None:
    space = get_space("nas-bench-macro")
    texts = [space.format(each) for each in space.enumerate()]
    accuracies = [80 + zlib.crc32(text.encode()) % 1000 / 100 for text in texts]
    (folder / "tables").mkdir()
    pq.write_table(
        pa.table({"architecture": texts, "test_acc": accuracies}), folder / "tables" / "nas-bench-macro-cifar10.parquet"
    )


def _kept(value: Any) -> Any:
    """Without times, what was given, and the wording of sentences."""
    if isinstance(value, dict):
        return {
            key: True if key in _SENTENCES else _kept(each)
            for key, each in value.items()
            if key not in _TIMES | _GIVEN | {"description"}
        }
    return [_kept(each) for each in value] if isinstance(value, list) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    """All of a nested state's tensors of real numbers, but single numbers: weights, moments, parameters."""
    if isinstance(value, Tensor):
        if value.dim() and value.numel() > 1 and value.is_floating_point():
            yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)


def _described(tensor: Tensor) -> list[Any]:
    """Shape, digest of its bits, and norm; no name, since names are no numbers."""
    tensor = tensor.detach().contiguous()
    digest = hashlib.blake2b(tensor.numpy().tobytes(), digest_size=6).hexdigest()
    return ["x".join(map(str, tensor.shape)), digest, float(f"{tensor.double().norm():.6g}")]


# The processor's arithmetic ---------------------------------------------------------------------------------------


def arithmetic() -> dict[str, str]:
    """What bits depend on beside the program: the version of PyTorch, the processor's vectors, and a digest of the
    results of the operations that searches and trainings consist of."""
    digest = hashlib.blake2b(digest_size=16)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for tensor in _reference_results():
            digest.update(tensor.detach().contiguous().numpy().tobytes())
    finally:
        torch.set_num_threads(threads)
    return {
        "torch": torch.__version__,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "operations": digest.hexdigest(),
    }


def _reference_results() -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(0)
    x_BCHW = torch.randn(8, 8, 8, 8, generator=random, requires_grad=True)
    yield x_BCHW
    for groups, kernel, stride, dilation in [(1, 3, 1, 1), (1, 1, 1, 1), (1, 3, 2, 1), (8, 5, 1, 2), (2, 3, 1, 1)]:
        weight = torch.randn(8, 8 // groups, kernel, kernel, generator=random, requires_grad=True)
        y_BCHW = F.conv2d(x_BCHW, weight, stride=stride, padding=kernel // 2, dilation=dilation, groups=groups)
        normal_BCHW = F.batch_norm(y_BCHW, None, None, training=True).relu()
        pooled_BCHW = F.avg_pool2d(normal_BCHW, 3, 1, 1) + F.max_pool2d(normal_BCHW, 3, 1, 1)
        logits_BK = pooled_BCHW.mean((2, 3)) @ torch.randn(8, 10, generator=random)
        loss = F.cross_entropy(logits_BK, torch.arange(8)) + logits_BK.softmax(1).square().sum().log()
        yield from (y_BCHW, normal_BCHW, pooled_BCHW, logits_BK, loss)
        yield from torch.autograd.grad(loss, (x_BCHW, weight))
    a_MN = torch.randn(65, 33, generator=random)
    for matrix in (a_MN, a_MN.double()):
        square = matrix.T @ matrix
        yield from (square, matrix.exp(), matrix.abs().log(), matrix.tanh(), torch.linalg.eigvalsh(square))
        yield torch.linalg.solve(square, matrix.T)


# Comparing --------------------------------------------------------------------------------------------------------


def differences(kept: Any, now: Any, tolerance: float, place: str = "") -> list[str]:
    """Where ``now`` differs from what was kept; fields that are new in ``now`` are no difference. ``tolerance`` 0: to
    the bit. Above, numbers are compared to that part of them, and one or two images may be judged otherwise: 15 percent
    of accuracy (of as few as 8 images), 2 in a confusion matrix."""
    if isinstance(kept, dict) and isinstance(now, dict):
        lost = [f"{place}.{key} is gone" for key in kept if key not in now]
        return lost + [
            found
            for key in kept
            if key in now
            for found in differences(kept[key], now[key], tolerance, f"{place}.{key}")
        ]
    if place == ".tensors":
        return _other_tensors(kept, now, tolerance)
    if isinstance(kept, list) and isinstance(now, list):
        if len(kept) != len(now):
            return [f"{place} has {len(now)} entries, kept were {len(kept)}"]
        pairs = enumerate(zip(kept, now, strict=True))
        return [found for at, pair in pairs for found in differences(*pair, tolerance, f"{place}[{at}]")]
    return [] if _equal(kept, now, tolerance, place) else [f"{place} is {now!r}, kept was {kept!r}"]


def _equal(kept: Any, now: Any, tolerance: float, place: str) -> bool:
    if tolerance and "confusion" in place:
        return abs(kept - now) <= 2
    if tolerance and isinstance(kept, float) and isinstance(now, int | float):
        near = 15.0 if "accuracy" in place else tolerance
        return math.isclose(kept, now, rel_tol=tolerance, abs_tol=near)
    return type(kept) is type(now) and bool(kept == now)


def _other_tensors(kept: list[list[Any]], now: list[list[Any]], tolerance: float) -> list[str]:
    """Every kept tensor must be there, whatever its name and place; further ones may be."""
    left = list(now)
    missing = []
    for shape, digest, norm in kept:
        same = [
            each
            for each in left
            if each[0] == shape
            and (each[1] == digest or (tolerance and math.isclose(each[2], norm, rel_tol=tolerance, abs_tol=tolerance)))
        ]
        if same:
            left.remove(min(same, key=lambda each: (each[1] != digest, abs(each[2] - norm))))
        else:
            missing.append(f"no tensor [{shape}] has the bits {digest} (norm {norm})")
    return missing


# Files ------------------------------------------------------------------------------------------------------------


def written(record: dict[str, Any]) -> str:
    """A record as JSON whose lines are events, entries of results and tensors, so that differences can be read."""

    def lines(value: Any, depth: int) -> str:
        if depth and isinstance(value, dict) and value:
            inside = ",\n".join(f"{json.dumps(key)}: {lines(each, depth - 1)}" for key, each in value.items())
            return f"{{\n{inside}\n}}"
        if depth and isinstance(value, list) and value:
            return "[\n" + ",\n".join(lines(each, depth - 1) for each in value) + "\n]"
        return json.dumps(value)

    return lines(record, 2) + "\n"


def read(name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return kept
