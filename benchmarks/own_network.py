"""A ResNet-20 of one's own at half and at a quarter of its FLOPs: searched widths and depths beside the same width for
all layers, magnitude pruning (torch-pruning's, of all layers together) and random networks within the budget.

Every seed trains a ResNet-20 on a part of CIFAR-10 at 16 x 16 pixels. What is left of it is fine-tuned for a quarter of
the epochs, everything by the same recipe and from the same weights, and judged by the test images, which nothing was
chosen by. Lines of JSON go to --out as they come, and what is there already is left out; then a table is printed.

    python benchmarks/own_network.py --data-dir ../shared/data --seeds 3 --out own.jsonl

Other networks of the examples, and other data, by --network and --data.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from rows import Rows, measuring, seeds_of
from torch import nn

from nascence.api.models import OwnModel, built
from nascence.costs import Budget, flops, params
from nascence.exporting import export_onnx
from nascence.methods.base import Problem
from nascence.methods.dmasking import DMasking
from nascence.methods.random_search import RandomSearch
from nascence.spaces.own import OwnSpace
from nascence.spaces.own.slicing import sliced
from nascence.tasks import Part, Task, load_task
from nascence.training import Training, TrainingConfig
from nascence.training.evaluation import evaluate

NETWORKS = Path(__file__).parents[1] / "examples" / "networks"
WAYS = ("searched", "uniform", "magnitude", "random")


def trained(model: nn.Module, task: Task, held_out: Part, epochs: int, rate: float, seed: int) -> nn.Module:
    config = TrainingConfig.suggested(
        task, epochs=epochs, batch_size=64, learning_rate=rate, warmup_epochs=min(1, epochs - 1)
    )
    training = Training(model, task, config, seed=seed, judged=held_out)
    while not training.done:
        training.advance()
    return model.eval()


def searched(space: OwnSpace, task: Task, limit: float, seed: int, epochs: int, warm_up: int) -> nn.Module:
    size = space.networks["evaluation"]
    problem = Problem(space, task, size, Budget(max_flops=limit).bind(space, size, signature=task.signature), seed)
    settings = {**DMasking.PRESETS["laptop-own"], "epochs": epochs, "warmup_epochs": warm_up, "batch_size": 32}
    strategy = DMasking(**settings).strategy(problem)
    while not strategy.done:
        strategy.advance()
    found = strategy.derive()
    print(f"  found {found}", flush=True)
    return space.assemble(found, size, task.signature)


def at_random(space: OwnSpace, task: Task, limit: float, seed: int) -> nn.Module:
    size = space.networks["evaluation"]
    problem = Problem(space, task, size, Budget(max_flops=limit).bind(space, size, signature=task.signature), seed)
    strategy = RandomSearch().strategy(problem)
    while not strategy.done:
        strategy.advance()
    return space.assemble(strategy.derive(), size, task.signature)


def uniform(space: OwnSpace, task: Task, limit: float) -> nn.Module:
    """The largest part of every group's units, the same for all and rounded, that fits; no branch goes."""
    groups = space.analysis.channels.groups
    for part in np.linspace(1, 0.02, 99):
        counts = {group.name: max(1, round(len(group.units) * part)) for group in groups}
        network = sliced(space.analysis, space.analysis.kept(counts))
        if flops(network, task.signature) <= limit:
            return network
    raise AssertionError("the thinnest network fits")


def by_magnitude(whole: nn.Module, task: Task, limit: float) -> nn.Module:
    """torch-pruning's group magnitude, all layers ranked together, a little at a time until it fits."""
    network = copy.deepcopy(whole).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    pruner = torch_pruning.pruner.MagnitudePruner(
        network,
        task.signature.example(1)[0],
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=0.98,
        iterative_steps=200,
        ignored_layers=[layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1:],  # the outputs
    )
    while flops(network, task.signature) > limit:
        pruner.step()
    return network


def measured(network: nn.Module, task: Task) -> dict[str, Any]:
    """Size of the ONNX file and the latencies of one image on a thread."""
    with tempfile.TemporaryDirectory() as folder:
        check = export_onnx(network, Path(folder) / "model.onnx", task.signature.input_shape)
        size = check.path.stat().st_size
    alone = {each.runtime: each.milliseconds for each in check.latencies if each.threads == 1}
    return {"onnx_bytes": size, "onnx_ms": alone["ONNX Runtime"], "torch_ms": alone["PyTorch"]}


def seed_rows(seed: int, whole_task: Task, options: argparse.Namespace, rows: Rows) -> None:
    count = len(whole_task.part("train"))
    task = whole_task.narrowed(whole_task.divided(options.images / count, seed)[0])
    own_part, held_out = task.divided(0.9, seed)
    task = task.narrowed(own_part)
    test = task.part("test").first(options.test_images)

    def judged(name: str, share: float, network: nn.Module, seconds: float, epochs: int, rate: float) -> None:
        before = evaluate(network, held_out, task).value
        if epochs:
            trained(network, task, held_out, epochs, rate, seed)
        row = {
            "seed": seed,
            "share": share,
            "network": name,
            "flops": flops(network, task.signature),
            "params": params(network),
            "before": before,
            "validation": evaluate(network, held_out, task).value,
            "test": evaluate(network, test, task).value,
            "seconds": round(seconds, 1),
        }
        rows.add(**row, **(measured(network, task) if options.export and seed == 0 else {}))

    wanted = [(1.0, "whole"), *((share, name) for share in options.shares for name in options.ways)]
    left = [(share, name) for share, name in wanted if not rows.has(seed=seed, share=share, network=name)]
    if not left:
        return
    path = NETWORKS / f"{options.network}.py"
    module = built(path.read_bytes(), str(path), "build", task.signature, seed)
    began = time.monotonic()
    trained(module, task, held_out, options.epochs, options.rate, seed)
    if (1.0, "whole") in left:
        judged("whole", 1.0, module, time.monotonic() - began, 0, 0.0)
    space = OwnModel.given(module).space(task.signature)
    total = flops(module, task.signature)
    fine = max(1, options.epochs // 4)
    for share in options.shares:
        limit = share * total
        ways: dict[str, Callable[[], nn.Module]] = {
            "searched": partial(searched, space, task, limit, seed, options.search_epochs, options.warm_up),
            "uniform": partial(uniform, space, task, limit),
            "magnitude": partial(by_magnitude, module, task, limit),
            "random": partial(at_random, space, task, limit, seed),
        }
        for name in [name for name in options.ways if (share, name) in left]:
            began = time.monotonic()
            network = ways[name]()
            judged(name, share, network, time.monotonic() - began, fine, options.rate / 5)


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| FLOPs | network | test accuracy, % | before fine-tuning (held out), % | FLOPs | parameters | seeds |"]
    lines.append("|---|---|---|---|---|---|---|")
    for share, name in dict.fromkeys((row["share"], row["network"]) for row in rows):
        own = [row for row in rows if (row["share"], row["network"]) == (share, name)]
        mean = {key: np.mean([row[key] for row in own]) for key in ("test", "before", "flops", "params")}
        std = np.std([row["test"] for row in own], ddof=1) if len(own) > 1 else float("nan")
        lines.append(
            f"| {100 * share:.0f} % | {name} | {mean['test']:.2f} ± {std:.2f} | {mean['before']:.1f} | "
            f"{mean['flops'] / 1e6:.2f} M | {mean['params']:,.0f} | {len(own)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = measuring(__doc__.splitlines()[0], seeds=3)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--network", default="resnet20", help="a file in examples/networks")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.25])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate of the whole; a fifth to fine-tune")
    parser.add_argument("--images", type=int, default=2000, help="of the training part, a tenth of them held out")
    parser.add_argument("--test-images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--search-epochs", type=int, default=6)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument("--export", action="store_true", help="ONNX files of seed 0")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = 16 if options.data == "cifar10" else None
    task = load_task(options.data, options.data_dir, image_size=size)
    rows = Rows(options.out)
    for seed in seeds_of(options):
        seed_rows(seed, task, options, rows)
    print(table(rows.rows))


if __name__ == "__main__":
    main()
