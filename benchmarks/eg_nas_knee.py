"""A found network against a plain ResNet and a MobileNetV2 of as many parameters, all trained the same way.

    python benchmarks/eg_nas_knee.py runs/eg --epochs 20 --seeds 3 --images 10000

takes the network of a finished search (of a front, its knee) and the search's data and image size. Every training is
written to OUT when it is done, so that the same command goes on after an interruption. One thread each; ``--images``
trains on that many images of the training data, ``--test-images`` tests on that many of the test data.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.benchmarks.reference_networks import mobilenet_v2, plain_resnet
from nascence.configuration import from_json
from nascence.costs import flops, params
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig
from nascence.tasks import ImageClassification, ImageSet, load_task
from nascence.tasks.image_classification import stratified_split
from nascence.training import Training, TrainingConfig, evaluate


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
    parser.add_argument("--out", type=Path, help="default: knee.json in the run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = json.loads((arguments.run / "config.json").read_text(encoding="utf-8"))
    task = load_task(config["data"], config["data_dir"], image_size=config["image_size"])
    task = replace(
        task,
        train=part(task.train, arguments.images, "train"),
        test=part(task.test, arguments.test_images, "test"),
    )
    watched = part(task.test, 100, "watched")  # after every epoch; the result is of all test images, once
    recipe = TrainingConfig.suggested(task, epochs=arguments.epochs)
    about = {"epochs": arguments.epochs, "images": len(task.train), "test_images": len(task.test)}
    out = arguments.out or arguments.run / "knee.json"
    done = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"about": about, "trainings": []}
    if done["about"] != about:
        raise SystemExit(f"{out} is of another comparison ({done['about']}); choose another --out.")
    finished = {(each["network"], each["seed"]) for each in done["trainings"]}
    for seed in range(arguments.seeds):
        for name, network in networks(arguments.run, task, seed).items():
            if (name, seed) in finished:
                continue
            began, cpu = time.monotonic(), time.process_time()
            training = Training(network, task, recipe, seed=seed, validation=watched)
            while not training.done:
                event = training.advance()
            done["trainings"].append(
                {
                    "network": name,
                    "seed": seed,
                    "params": params(network),
                    "flops": flops(network, (task.in_channels, *task.image_size)),
                    "test_accuracy": evaluate(network, task.test, task).accuracy,
                    "train_loss": event["train_loss"],
                    "seconds": round(time.monotonic() - began, 1),
                    "cpu_seconds": round(time.process_time() - cpu, 1),
                }
            )
            out.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
            print(done["trainings"][-1], flush=True)
    for name in dict.fromkeys(each["network"] for each in done["trainings"]):
        rows = [each for each in done["trainings"] if each["network"] == name]
        values = [each["test_accuracy"] for each in rows]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(
            f"{name:14} {rows[0]['params']:9,} parameters {rows[0]['flops'] / 1e6:7.1f} MFLOPs  "
            f"{statistics.mean(values):.2f} +- {spread:.2f} % over {len(values)} seeds"
        )


if __name__ == "__main__":
    main()
