"""The main job in one go, on data that comes with scikit-learn: find a network without training any, train it beside a
random one and a plain ResNet of about its size, export it, check the export, and write the report.

Type ``make demo``, or ``python examples/demo.py [folder]``. Takes a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import nascence
from nascence.benchmarks import plain_resnet
from nascence.reporting import write_report
from nascence.tasks import load_task
from nascence.training import Training, TrainingConfig


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", nargs="?", default="nascence-demo", help="where results go; replaced if there")
    parser.add_argument("--epochs", type=int, default=12, help="of each of the three trainings")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder, console = Path(options.folder), Console(stderr=True)
    began = time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)

    console.rule("1. Search: TE-NAS on NAS-Bench-201, no training")
    found = nascence.search("te-nas", "nas-bench-201", "digits", seed=options.seed, out=folder / "te-nas", repeats=4)
    console.print(f"Found {found.architecture} in {found.record['search_seconds']:.0f} s")
    drawn = nascence.search("random", "nas-bench-201", "digits", seed=options.seed, out=folder / "random")

    console.rule("2. Train it, a random architecture, and a plain ResNet of about its size")
    rows = []
    for title, result in (("found by TE-NAS", found), ("random architecture", drawn)):
        metrics = nascence.train(result.run, epochs=options.epochs, seed=options.seed).metrics
        rows.append((title, result.record["params"], result.record["flops"], metrics["accuracy"], metrics["seconds"]))
    rows.append(train_resnet(found.record["params"], options.epochs, options.seed))

    console.rule("3. Export and check")
    onnx = nascence.export(found.run, "onnx")
    python = nascence.export(found.run, "python")
    console.print(f"ONNX and PyTorch differ by at most {onnx.max_difference:.1e}")

    console.rule("4. Report")
    report = write_report(found.run.path)

    table = Table(title=f"digits, test set, {options.epochs} epochs each, seed {options.seed}")
    for column in ("network", "parameters", "FLOPs", "test accuracy %", "training s"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for title, params, flops, accuracy, seconds in rows:
        table.add_row(title, f"{params:,}", f"{flops:,}", f"{accuracy:.2f}", f"{seconds:.0f}")
    out = Console(file=sys.stdout)
    out.print(table)
    for what, path in (("run", found.run.path), ("ONNX", onnx.path), ("Python", python.path), ("report", report)):
        out.print(f"{what:>7}  {path}", soft_wrap=True)
    seconds = time.monotonic() - began
    out.print(f"One seed proves little; `nascence compare` gives distributions. {seconds:.0f} s in all.")
    return 0


def train_resnet(params: int, epochs: int, seed: int) -> tuple[str, int, int, float, float]:
    """Train the plain ResNet closest to ``params`` the same way; its row of the table."""
    from nascence.costs import flops
    from nascence.costs import params as count

    task = load_task("digits")
    shape = task.signature.input_shape
    model = plain_resnet(params, shape[0], task.signature.outputs, seed=seed)
    training = Training(model, task, TrainingConfig.suggested(task, epochs=epochs), seed=seed)
    began = time.monotonic()
    while not training.done:
        training.advance()
    assert training.evaluation is not None
    return "plain ResNet", count(model), flops(model, shape), training.evaluation.value, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
