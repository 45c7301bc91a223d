"""Every network of the examples, through the command line: plan, search at half of its FLOPs, export.

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/own_examples.py --out examples.jsonl

Searches (dmasking) are as short as can be and nothing is trained: this is about what was left whole, what the network
costs before and after, and how large and quick the exported files are, whole and thinner in turns, one input on one
thread.
One line of JSON for every network, added to ``--out``; what is there already is left out. A table in the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rows import Rows

from nascence.api.inputs import described_signature
from nascence.costs.timing import Call, take_turns
from nascence.exporting import export_any_onnx, export_onnx
from nascence.exporting.onnx import session
from nascence.runs import RunDirectory
from nascence.spaces.own.known import kept_space

NETWORKS = Path(__file__).parents[1] / "examples" / "networks"
DENOISING = (
    "--data",
    "restoration/Train400",
    "--task",
    "denoise",
    "--sigma",
    "25",
    "--task-set",
    "test=restoration/Set12",
)
DIGITS = ("--data", "digits", "--image-size", "32")
DATA: dict[str, tuple[str, ...]] = {
    "unet": DENOISING,
    "transformer": DIGITS,
    "mobilenet": DIGITS,
    "resnet20": DIGITS,
}
SHORT = ("epochs=3", "warmup_epochs=1", "epoch_images=256", "batch_size=32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--share", type=float, default=0.5, help="of the FLOPs")
    given = parser.parse_args()
    rows = Rows(given.out)
    for name in given.networks:
        if not rows.has(network=name, share=given.share):
            with tempfile.TemporaryDirectory() as folder:
                rows.add(network=name, share=given.share, **thinned(name, given.share, Path(folder) / "run"))
    print(table(rows.rows))


def thinned(name: str, share: float, run: Path) -> dict[str, Any]:
    model = ("--model", f"{NETWORKS / name}.py:build", *DATA[name])
    costs = json.loads(nascence("plan", *model, "--no-measure", "--json"))["costs"]
    whole = next(cost["largest"] for cost in costs if cost["name"] == "flops")
    began = time.monotonic()
    settings = [word for text in SHORT for word in ("--set", text)]
    nascence("search", *model, "--max-flops", str(share * whole), *settings, "--threads", "1", "--out", str(run))
    return {**measured(run), "search_seconds": round(time.monotonic() - began)}


def measured(run: Path) -> dict[str, Any]:
    """What a finished search left, and its exported file beside the whole network's."""
    nascence("export", str(run), "--untrained")
    record = json.loads((run / "architecture.json").read_text())
    before = run.with_name("whole.onnx")
    inputs = export_whole(run, record, before)
    after = run / "untrained_model.onnx"
    quick = [latency_of(path, inputs) for path in (before, after)]
    times = [statistics.median(passes.ms) for passes in take_turns(quick, repeats=30, warm_up=5, alone=True)]
    own = record["own"]
    return {
        "left_whole": {part["part"]: part["whole"] for part in own["parts"] if part["whole"]},
        "parts": sum(part["choice"] is not None for part in own["parts"]),
        "flops": [own["flops"], record["flops"]],
        "params": [own["params"], record["params"]],
        "onnx_bytes": [before.stat().st_size, after.stat().st_size],
        "onnx_ms": [round(each, 4) for each in times],
        "input": list(inputs.shape),
        "architecture": record["architecture"],
    }


def nascence(*words: str) -> str:
    """The command's output; what it says while it works goes to the terminal."""
    return subprocess.run(
        [sys.executable, "-m", "nascence", *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def export_whole(run: Path, record: dict[str, Any], path: Path) -> np.ndarray:
    """Write the whole network as it would be exported; gives inputs to time it with."""
    space = kept_space(run, record["space"])
    task = RunDirectory.open(run).config["task"]
    signature = described_signature(task)
    network = space.assemble(space.largest, None, signature)
    if signature.classes:
        known = {name: task[name] for name in ("class_names", "mean", "std")}
        export_onnx(network, path, signature.input_shape, measure_latency=False, **known)
    else:
        export_any_onnx(network, path, signature, described=task)
    return np.random.default_rng(0).random((1, *signature.input_shape), dtype=np.float32)


def latency_of(path: Path, inputs: np.ndarray) -> Call:
    loaded = session(path.read_bytes(), 1)
    fed = {loaded.get_inputs()[0].name: inputs}
    return lambda: loaded.run(None, fed)


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| network | left whole | FLOPs | parameters | ONNX file, kB | ONNX Runtime, ms |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        whole = ", ".join(f"`{part}`" for part in row["left_whole"]) or "nothing"
        sizes = " to ".join(f"{size / 1e3:,.0f}" for size in row["onnx_bytes"])
        times = " to ".join(f"{value:.3g}" for value in row["onnx_ms"])
        flops, params = (" to ".join(f"{value:,.0f}" for value in row[name]) for name in ("flops", "params"))
        lines.append(f"| {row['network']} | {whole} | {flops} | {params} | {sizes} | {times} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
