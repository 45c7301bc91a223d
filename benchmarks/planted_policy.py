"""Does daas find a planted policy? Real images whose validation half is rotated, so that rotating the training images
helps and inverting their colours harms.

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/planted_policy.py --seeds 3 --out planted.jsonl

CIFAR-10's training images in two halves; every image of the second is turned by 20 to 30 degrees either way, and the
policy is rewarded on it. Both operations begin at 1/15; looked for are p(Rotate) above 2/15 and p(Invert) below 1/30.
One line of JSON per seed, added to ``--out``; seeds that are there already are left out. Test images are not looked at.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from rows import Rows, measuring, seeds_of

from nascence.configuration import settings
from nascence.costs import Budget
from nascence.methods import Problem
from nascence.methods.daas import DAAS
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.tasks.image_classification import ImageClassification, image_classes
from nascence.tasks.image_operations import IMAGE_OPERATIONS
from nascence.tasks.image_set import ImageSet


def planted(task: ImageClassification, seed: int) -> ImageClassification:
    """``task`` with half of its training images, and the other half, rotated, as its validation part."""
    first, second = task.split_train(0.5, seed)
    random = generator(seed, "planted rotations")
    rotate = IMAGE_OPERATIONS.get("Rotate")
    turned = []
    for images in second.pieces(16):  # one angle a call
        strength = 2 / 3 + float(torch.rand((), generator=random)) / 3
        pixels = rotate(images.float() / 255, strength, random)
        turned.append((255 * pixels).round().clamp(0, 255).to(torch.uint8))
    return replace(task, train=first, validation=ImageSet(torch.cat(turned), second.labels))


def main() -> None:
    parser = measuring(__doc__, seeds=3)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--warmup-epochs", type=int, default=6)
    parser.add_argument("--epoch-images", type=int, default=2560)
    parser.add_argument("--set", nargs="*", default=[], help="settings of daas, name=value")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = Rows(given.out)
    space, plain = get_space("nas-bench-201"), image_classes(load_task("cifar10"), "A planted policy")
    network = space.networks["evaluation"]
    for seed in seeds_of(given):
        if rows.has(seed=seed):
            continue
        changes = {"epochs": given.epochs, "warmup_epochs": given.warmup_epochs, "epoch_images": given.epoch_images}
        changes |= {"architecture_data": "validation", "check_images": 0}
        method = settings(DAAS, given.set, defaults={**DAAS.PRESETS["laptop"], **changes})
        task = planted(plain, seed)
        budget = Budget().bind(space, network, signature=task.signature)
        strategy = method.strategy(Problem(space, task, network, budget, seed))
        began, event = time.process_time(), {}
        while not strategy.done:
            event = strategy.advance()
            if "policy" in event:  # at the end of an epoch
                print(f"seed {seed}: " + _told(event["policy"]), flush=True)
        rows.add(seed=seed, policy=event["policy"], processor_seconds=round(time.process_time() - began))


def _told(policy: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in sorted(policy.items(), key=lambda pair: -pair[1]))


if __name__ == "__main__":
    main()
