"""A found network against a plain ResNet and a MobileNetV2 of as many parameters, all trained the same way.

    python benchmarks/eg_nas_knee.py runs/eg --epochs 20 --seeds 3 --images 10000 --threads 3

takes the network of a finished search (of a front, its knee) and the search's data and image size. As many trainings
run at once as there are threads, on one each. Every one is written to OUT, a line of JSON, when it is done, so that the
same command goes on after an interruption. ``--images`` trains on that many images of the training data,
``--test-images`` tests on that many of the test data.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.benchmarks.reference_networks import mobilenet_v2, plain_resnet
from nascence.configuration import from_json
from nascence.costs import flops, params
from nascence.engine.forked import parallel_map
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig
from nascence.tasks import ImageClassification, ImageSet, load_task
from nascence.tasks.image_classification import ImagePart, image_classes, stratified_split
from nascence.training import Training, TrainingConfig, evaluate

NAMES = ("found", "plain-resnet", "mobilenet-v2")  # the longest first


def part(images: ImageSet, count: int | None, name: str) -> ImageSet:
    """``count`` of the images, class by class; all for None."""
    if count is None or count >= len(images):
        return images
    chosen, _ = stratified_split(images.labels, count / len(images), generator(0, "part", name))
    return images[chosen]


def networks(run: Path, task: ImageClassification, seed: int) -> dict[str, nn.Module]:
    """By name: what was found, and the two references of as many parameters, with the weights of ``seed``."""
    record = json.loads((run / "architecture.json").read_text(encoding="utf-8"))
    shape = {"in_channels": task.in_channels, "num_classes": task.num_classes}
    weights = derive_seed(seed, "initial weights")
    found = Architecture.from_dict(record).build(
        network=from_json(NetworkConfig, record["network"]), seed=weights, **shape
    )
    target = params(found)
    return {
        "found": found,
        "plain-resnet": plain_resnet(target, **shape, seed=weights),
        "mobilenet-v2": mobilenet_v2(target, **shape, seed=weights),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int)
    parser.add_argument("--test-images", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="default: knee.jsonl in the run")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))
    task = load_task(config["data"], config["data_dir"], image_size=config["image_size"])
    task = image_classes(task, "This comparison")
    task = replace(
        task,
        train=part(task.train, arguments.images, "train"),
        test=part(task.test, arguments.test_images, "test"),
    )
    watched = part(task.test, 100, "watched")  # after every epoch; the result is of all test images, once
    recipe = TrainingConfig.suggested(task, epochs=arguments.epochs)
    about = {"epochs": arguments.epochs, "images": len(task.train), "test_images": len(task.test)}
    out = arguments.out or arguments.run / "knee.jsonl"
    if not out.exists():
        out.write_text(json.dumps(about) + "\n", encoding="utf-8")
    if read(out)[0] != about:
        raise SystemExit(f"{out} is of another comparison ({read(out)[0]}); choose another --out.")

    def train(item: tuple[str, int]) -> None:
        name, seed = item
        network = networks(arguments.run, task, seed)[name]
        began, cpu = time.monotonic(), time.process_time()
        training = Training(network, task, recipe, seed=seed, judged=ImagePart(task, watched))
        while not training.done:
            event = training.advance()
        row = {
            "network": name,
            "seed": seed,
            "params": params(network),
            "flops": flops(network, (task.in_channels, *task.image_size)),
            "test_accuracy": evaluate(network, task.part("test"), task).value,
            "train_loss": event["train_loss"],
            "seconds": round(time.monotonic() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        print(row, flush=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    finished = {(row["network"], row["seed"]) for row in read(out)[1:]}
    left = [(name, seed) for name in NAMES for seed in range(arguments.seeds) if (name, seed) not in finished]
    parallel_map(train, left)
    for name in NAMES:
        rows = [row for row in read(out)[1:] if row["network"] == name]
        values = [row["test_accuracy"] for row in rows]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(
            f"{name:14} {rows[0]['params']:9,} parameters {rows[0]['flops'] / 1e6:7.1f} MFLOPs  "
            f"{statistics.mean(values):.2f} +- {spread:.2f} % over {len(values)} seeds"
        )


def read(out: Path) -> list[dict[str, Any]]:
    """What is compared, then a row for each training."""
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
